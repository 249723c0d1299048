import { plainJson } from './plain-json.ts';

/** Names kept of all Exporters together. */
const MAX_NAMES = 10_000;
/** Letters kept of a name: what has more names nothing that fits on a page. */
const MAX_NAME_LENGTH = 255;

/**
 * Names of Exporters' interfaces, and the messages of topic `snmp-ifaces` that tell them: ntopng forgets what it knew of
 * an Exporter when it is told some of its names, so that a message has all of them.
 */
export class InterfaceNames {
  private readonly byExporter = new Map<string, Map<number, string>>();
  private readonly changed = new Set<string>();
  private count = 0;

  /** Takes one name; what is beyond a limit is not kept. */
  learn(exporterAddress: string, ifIndex: number, name: string): void {
    const kept = name.slice(0, MAX_NAME_LENGTH);
    let names = this.byExporter.get(exporterAddress);
    if (names?.get(ifIndex) === kept) return;
    if (names?.has(ifIndex) !== true) {
      if (this.count >= MAX_NAMES) return;
      this.count++;
    }
    if (names === undefined) {
      names = new Map();
      this.byExporter.set(exporterAddress, names);
    }
    names.set(ifIndex, kept);
    this.changed.add(exporterAddress);
  }

  /** Messages of at most `maxOctets` for Exporters of which there is something new. */
  changedMessages(maxOctets: number): string[] {
    if (this.changed.size === 0) return [];
    const messages = this.messagesFor([...this.changed], maxOctets);
    this.changed.clear();
    return messages;
  }

  /** Messages of at most `maxOctets` for all Exporters. */
  messages(maxOctets: number): string[] {
    return this.messagesFor([...this.byExporter.keys()], maxOctets);
  }

  private messagesFor(addresses: readonly string[], maxOctets: number): string[] {
    const messages: string[] = [];
    let parts: string[] = [];
    let octets = 2;
    const finish = (): void => {
      if (parts.length > 0) messages.push(`{${parts.join(',')}}`);
      parts = [];
      octets = 2;
    };
    for (const address of addresses) {
      const part = exporterPart(address, this.byExporter.get(address)!, maxOctets - 2);
      const partOctets = Buffer.byteLength(part) + 1;
      if (octets + partOctets > maxOctets) finish();
      parts.push(part);
      octets += partOctets;
    }
    finish();
    return messages;
  }
}

/** An Exporter's names, the lowest interfaces first where they are more than fit. */
function exporterPart(address: string, names: ReadonlyMap<number, string>, maxOctets: number): string {
  const items: string[] = [];
  let octets = Buffer.byteLength(address) + 8;
  for (const [ifIndex, name] of [...names].sort(([one], [other]) => one - other)) {
    const item = `"${ifIndex}":${plainJson(name)}`;
    octets += Buffer.byteLength(item) + 1;
    if (octets > maxOctets) break;
    items.push(item);
  }
  return `${plainJson(address)}:{${items.join(',')}}`;
}
