import type { PlainRecord } from '../flow/flow.ts';
import type { SeededHash } from './seeded-hash.ts';
import type { SeriesTable } from './series-table.ts';
import { line, makeTable, type TableContext } from './table-maker.ts';
import { type TagLine, tagName } from './tag-line.ts';

const SENT = 0;
const RECEIVED = 1;
const OCTETS = 2;
const PACKETS = 3;
const COLUMNS = 4;

const IFID = tagName('ifid');
const INTERFACE_KIND = 71;

/**
 * Series of the interfaces of this host, by their own counters: `iface:traffic`, `iface:traffic_rxtx` and `iface:packets` with the ifIndex as
 * `ifid`. A point is written at each step that has counters.
 */
export class OwnInterfaces {
  private readonly interfaces: SeriesTable;
  private readonly hash: SeededHash;
  private readonly tags: TagLine;
  private readonly taken: string;

  /** An interface whose index is `taken`, the `ifid` of all flows together, has no series. */
  constructor(context: TableContext, hash: SeededHash, tags: TagLine, taken: string) {
    this.hash = hash;
    this.tags = tags;
    this.taken = taken;
    this.interfaces = makeTable(context, 'iface', {
      columns: COLUMNS,
      absoluteFrom: 0,
      lines: [
        line('iface:traffic', 'absolute', [[OCTETS]], 'active'),
        line('iface:traffic_rxtx', 'absolute', [[SENT], [RECEIVED]], 'active'),
        line('iface:packets', 'absolute', [[PACKETS]], 'active'),
      ],
    });
  }

  /** Takes what the agent says of an interface; whatever else it says is not for here. */
  add({ origin, values }: PlainRecord): void {
    const index = values['ifIndex'];
    if (typeof index !== 'number' || String(index) === this.taken) return;
    const counters = [values['ifOutOctets'], values['ifInOctets'], values['ifOutPackets'], values['ifInPackets']];
    if (!counters.every((value) => typeof value === 'number')) return;
    const [sent, received, packetsSent, packetsReceived] = counters as [number, number, number, number];
    const { interfaces, hash } = this;
    hash.start(INTERFACE_KIND);
    hash.word(index);
    hash.end();
    let row = interfaces.find(hash.first, hash.second);
    if (row < 0) {
      if (!interfaces.hasRoom()) return;
      row = this.tags.startEmpty().number(IFID, index).addTo(interfaces, hash.first, hash.second);
    }
    const step = interfaces.window.stepAt(origin.exportTimeMs);
    interfaces.set(row, SENT, step, sent);
    interfaces.set(row, RECEIVED, step, received);
    interfaces.set(row, OCTETS, step, sent + received);
    interfaces.set(row, PACKETS, step, packetsSent + packetsReceived);
  }
}
