import type { PlainRecord, PlainValue } from '../flow/flow.ts';
import { ApplicationRows } from './application-rows.ts';
import type { FlowFacts } from './flow-facts.ts';
import { NumberRows } from './number-rows.ts';
import type { SeededHash } from './seeded-hash.ts';
import type { SeriesTable } from './series-table.ts';
import { line, makeTable, type TableContext } from './table-maker.ts';
import { type TagLine, tagName } from './tag-line.ts';
import { TagText } from './tag-text.ts';

/** What is known of an Exporter's losses since the start. */
export interface ExporterLosses {
  /** Its address. */
  readonly exporter: string;
  /** Flow records received. */
  readonly received: number;
  /** Flow records missing by sequence number. */
  readonly lost: number;
  /** Messages, and sets whose Template is missing, that made no flows. */
  readonly undecodable: number;
}

const SENT = 0;
const RECEIVED = 1;
const FLOWS = 2;
const DROPS = 3;
const SPEED = 2;

const DEVICE = tagName('device');
const PORT = tagName('port');
const PROTOCOL = tagName('protocol');
const EXPORTER = tagName('exporter');
const IFNAME = tagName('ifname');

const PORT_KIND = 41;
const APPLICATION_KIND = 42;
const NAME_KIND = 43;

/** Series of Exporters and their ports: `flowdev:…`, `flowdev_port:…`, `sflowdev_port:…`, `evexporter_iface:…`, `flowrelay:…`. */
export class DeviceSeries {
  /** Name of the Exporter of the flow looked at last. */
  readonly name: TagText;
  private readonly interfaceName: TagText;
  private readonly portApplications: SeriesTable;
  private readonly ports: SeriesTable;
  private readonly applicationRows = new ApplicationRows();
  private readonly devices: SeriesTable;
  private readonly counterPorts: SeriesTable;
  private readonly agentInterfaces: SeriesTable;
  private readonly losses: SeriesTable;
  private readonly hash: SeededHash;
  private readonly tags: TagLine;
  private address = '';
  /** Row of the Exporter looked at last; -1 where it is not known. */
  private device = -1;
  /** Rows of ports, by rows of devices. */
  private readonly portRows = new NumberRows();

  /** Makes the tables. */
  constructor(context: TableContext, hash: SeededHash, tags: TagLine) {
    this.hash = hash;
    this.tags = tags;
    this.name = new TagText(hash);
    this.interfaceName = new TagText(hash);
    const both = [[SENT], [RECEIVED]];
    this.portApplications = makeTable(context, 'flowdev_port', {
      columns: 2,
      lines: [line('flowdev_port:ndpi', 'counter', both)],
      onForget: (row) => this.applicationRows.forgetRow(row),
    });
    this.ports = makeTable(context, 'flowdev_port', {
      columns: 3,
      absoluteFrom: SPEED,
      onForget: (row) => {
        this.applicationRows.forgetOwner(row);
        this.portRows.clear();
      },
      lines: [
        line('flowdev_port:traffic', 'counter', both),
        line('flowdev_port:usage', 'percent', [
          [SENT, SPEED],
          [RECEIVED, SPEED],
        ]),
      ],
    });
    this.devices = makeTable(context, 'flowdev', {
      columns: 4,
      absoluteFrom: DROPS,
      onForget: () => {
        this.device = -1;
        this.portRows.clear();
      },
      lines: [
        line('flowdev:traffic', 'counter', both),
        line('flowdev:flows', 'counter', [[FLOWS]]),
        line('flowdev:drops', 'absolute', [[DROPS]]),
      ],
    });
    this.counterPorts = makeTable(context, 'sflowdev_port', {
      columns: 2,
      absoluteFrom: 0,
      lines: [line('sflowdev_port:traffic', 'absolute', both)],
    });
    this.agentInterfaces = makeTable(context, 'evexporter_iface', {
      columns: 2,
      absoluteFrom: 0,
      lines: [line('evexporter_iface:traffic', 'absolute', both)],
    });
    this.losses = makeTable(context, 'flowrelay', {
      columns: 3,
      absoluteFrom: 0,
      lines: [line('flowrelay:exporter', 'absolute', [[0], [1], [2]])],
    });
  }

  /** Takes a flow, whoever else reports it. */
  add(facts: FlowFacts): void {
    this.selectDevice(facts.exporterAddress);
    const { amounts, input, output } = facts;
    const { devices } = this;
    let { device } = this;
    if (device < 0) {
      device = this.deviceRow(devices, this.name);
      if (device !== devices.otherRow) this.device = device;
    }
    const isSent = facts.direction === 1;
    devices.addBothWays(device, isSent ? SENT : RECEIVED, isSent ? RECEIVED : SENT, amounts);
    devices.addAtLast(device, FLOWS, 1);
    if (input >= 0) this.addPort(facts, device, input, RECEIVED);
    if (output >= 0) this.addPort(facts, device, output, SENT);
  }

  /** Takes counters of an interface: an sFlow counters sample, or what an agent says of one. */
  addCounters({ origin, values }: PlainRecord): void {
    const generic = values['if_counters'];
    if (isObject(generic)) {
      const agent = origin.agentAddress === '' ? origin.exporterAddress : origin.agentAddress;
      this.addInterface(agent, generic, origin.exportTimeMs, origin.exporterAddress);
    } else if (values['ifInOctets'] !== undefined) {
      const ifName = values['ifName'];
      if (typeof ifName === 'string' && ifName !== '') {
        this.addAgentInterface(origin.exporterAddress, ifName, values, origin.exportTimeMs);
      } else this.addInterface(origin.exporterAddress, values, origin.exportTimeMs, origin.exporterAddress);
    }
  }

  /** Takes an Exporter's losses as of now. */
  addLosses({ exporter, received, lost, undecodable }: ExporterLosses, nowMs: number): void {
    this.selectDevice(exporter);
    const row = this.deviceRow(this.losses, this.name);
    const step = this.losses.window.stepAt(nowMs);
    this.losses.set(row, 0, step, received);
    this.losses.set(row, 1, step, lost);
    this.losses.set(row, 2, step, undecodable);
    const device = this.devices.find(this.name.first, this.name.second);
    // Only where there are flows: addresses may be made up.
    if (device >= 0) this.devices.set(device, DROPS, this.devices.window.stepAt(nowMs), lost);
  }

  /** Whether there are flows of an Exporter. */
  knows(address: string): boolean {
    this.selectDevice(address);
    return this.devices.find(this.name.first, this.name.second) >= 0;
  }

  private selectDevice(address: string): void {
    if (address === this.address) return;
    this.address = address;
    this.device = -1;
    this.name.readString(address);
  }

  private deviceRow(table: SeriesTable, name: TagText): number {
    let row = table.find(name.first, name.second);
    if (row < 0) {
      row = table.hasRoom()
        ? this.tags.start().text(DEVICE, name).addTo(table, name.first, name.second)
        : this.tags.otherOf(table, [DEVICE]);
    }
    return row;
  }

  /** `forward` is the column of what goes from source to destination. */
  private addPort(facts: FlowFacts, device: number, port: number, forward: number): void {
    const { ports, portApplications, applicationRows } = this;
    const { amounts } = facts;
    let row = this.portRows.find(device, port);
    if (row < 0) row = this.portRow(device, port);
    ports.addBothWays(row, forward, 1 - forward, amounts);
    if (!facts.hasApplication) return;
    let detail = applicationRows.find(row, facts.applicationNumber);
    if (detail < 0) detail = this.applicationOf(facts, device, row, port);
    portApplications.addBothWays(detail, forward, 1 - forward, amounts);
  }

  /** The row of an application of the port that has this row. */
  private applicationOf(
    { application, applicationNumber }: FlowFacts,
    device: number,
    row: number,
    port: number,
  ): number {
    const { ports, portApplications, applicationRows, hash, tags, name } = this;
    hash.resume(name.first, name.second + APPLICATION_KIND);
    hash.word(port);
    hash.word(application.first);
    hash.word(application.second);
    hash.end();
    let detail = portApplications.find(hash.first, hash.second);
    if (detail < 0) {
      if (device === this.devices.otherRow || row === ports.otherRow || !portApplications.hasRoom()) {
        return tags.otherOf(portApplications, [DEVICE, PORT, PROTOCOL]);
      }
      tags.startWith(ports, row).text(PROTOCOL, application);
      detail = tags.addTo(portApplications, hash.first, hash.second);
    }
    // Those of the one row of all others are of many.
    if (row !== ports.otherRow) applicationRows.set(row, applicationNumber, detail);
    return detail;
  }

  private portRow(device: number, port: number): number {
    const { ports } = this;
    const row = this.portRowIn(ports, this.name, port);
    // The one row of all others is of many, of devices as well as of ports.
    if (device !== this.devices.otherRow && row !== ports.otherRow) this.portRows.set(device, port, row);
    return row;
  }

  private portRowIn(table: SeriesTable, name: TagText, port: number): number {
    const { hash, tags } = this;
    hash.resume(name.first, name.second + PORT_KIND);
    hash.word(port);
    hash.end();
    const row = table.find(hash.first, hash.second);
    if (row >= 0) return row;
    if (!table.hasRoom()) return tags.otherOf(table, [DEVICE, PORT]);
    return tags.start().text(DEVICE, name).number(PORT, port).addTo(table, hash.first, hash.second);
  }

  private addInterface(
    agent: string,
    values: Readonly<Record<string, PlainValue>>,
    timeMs: number,
    exporter: string,
  ): void {
    const port = numberOf(values['ifIndex']);
    const sent = numberOf(values['ifOutOctets']);
    const received = numberOf(values['ifInOctets']);
    if (port < 0 || port > 0xffff_ffff || sent < 0 || received < 0) return;
    const { counterPorts, ports } = this;
    this.selectDevice(agent);
    const row = this.portRowIn(counterPorts, this.name, port);
    // Counters of several interfaces cannot be one.
    if (row === counterPorts.otherRow) return;
    const step = counterPorts.window.stepAt(timeMs);
    counterPorts.set(row, SENT, step, sent);
    counterPorts.set(row, RECEIVED, step, received);
    const speed = numberOf(values['ifSpeed']);
    if (!(speed > 0)) return;
    this.selectDevice(exporter);
    const flowPort = ports.find(...this.portKey(port));
    if (flowPort >= 0) ports.set(flowPort, SPEED, ports.window.stepAt(timeMs), speed);
  }

  private portKey(port: number): [number, number] {
    const { hash, name } = this;
    hash.resume(name.first, name.second + PORT_KIND);
    hash.word(port);
    hash.end();
    return [hash.first, hash.second];
  }

  private addAgentInterface(
    exporter: string,
    ifName: string,
    values: Readonly<Record<string, PlainValue>>,
    timeMs: number,
  ): void {
    const sent = numberOf(values['ifOutOctets']);
    const received = numberOf(values['ifInOctets']);
    if (sent < 0 || received < 0) return;
    const { agentInterfaces, hash, tags, interfaceName, name } = this;
    this.selectDevice(exporter);
    interfaceName.readString(ifName);
    hash.start(NAME_KIND);
    hash.word(name.first);
    hash.word(name.second);
    hash.word(interfaceName.first);
    hash.word(interfaceName.second);
    hash.end();
    let row = agentInterfaces.find(hash.first, hash.second);
    if (row < 0) {
      if (!agentInterfaces.hasRoom()) return;
      tags.start().text(EXPORTER, name).text(IFNAME, interfaceName);
      row = tags.addTo(agentInterfaces, hash.first, hash.second);
    }
    const step = agentInterfaces.window.stepAt(timeMs);
    agentInterfaces.set(row, SENT, step, sent);
    agentInterfaces.set(row, RECEIVED, step, received);
  }
}

function isObject(value: PlainValue | undefined): value is Readonly<Record<string, PlainValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A counter; -1 for what is none. */
function numberOf(value: PlainValue | undefined): number {
  if (typeof value === 'bigint') return value >= 0n ? Number(value) : -1;
  return typeof value === 'number' && value >= 0 && Number.isFinite(value) ? value : -1;
}
