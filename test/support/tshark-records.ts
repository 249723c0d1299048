/** Flow records as tshark dissects them, out of its PDML. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type CataloguedCapture, CORPORA } from './conformance-capture.ts';

/** One field of a record. */
export interface TsharkField {
  /** Such as `cflow.srcaddr`. */
  readonly name: string;
  /** tshark's words for it. */
  readonly label: string;
  /** Value as tshark shows it. */
  readonly show: string;
  /** Octets as lower-case hexadecimal, the whole of them where tshark masks some. */
  readonly octets: string;
  /** It is of the reverse direction (RFC 5103). */
  readonly isReverse: boolean;
}

/** One record of a Data Set, or of NetFlow v1, v5, v7. */
export interface TsharkRecord {
  readonly frame: number;
  readonly version: number;
  readonly exporter: string;
  /** Observation Domain or Source ID; -1 where there is none. */
  readonly domain: number;
  /** Set ID; -1 where there is none. */
  readonly templateId: number;
  /** Fields of the message header. */
  readonly header: ReadonlyMap<string, TsharkField>;
  readonly fields: readonly TsharkField[];
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
  '&quot;': '"',
  '&#x27;': "'",
};

function attribute(line: string, name: string): string {
  const found = new RegExp(`\\b${name}="([^"]*)"`).exec(line);
  return (found?.[1] ?? '').replaceAll(/&(?:lt|gt|amp|quot|#x27);/g, (entity) => ENTITIES[entity] ?? entity);
}

/** Named fields whose children belong to the record itself. */
const TRANSPARENT = /^$|^cflow\.timedelta$|^cflow\.pie\.[a-z]+$/;

/** Every record tshark finds when it knows all Templates of the capture beforehand (`-2`). */
export async function tsharkRecords({ path, ports }: CataloguedCapture): Promise<TsharkRecord[]> {
  const args = ['-n', '-2', '-r', join(CORPORA, path)];
  for (const port of ports) args.push('-d', `udp.port==${port},cflow`);
  // The one capture over TCP has no UDP port in the catalogue.
  if (ports.length === 0) args.push('-d', 'tcp.port==22094,cflow');
  args.push('-Y', 'cflow', '-T', 'pdml', '-J', 'geninfo ip ipv6 cflow');
  const child = spawn('tshark', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const records: TsharkRecord[] = [];
  const reader = new PdmlReader(records);
  for await (const line of createInterface({ input: child.stdout })) reader.line(line);
  return records;
}

interface Open {
  readonly name: string;
  readonly isRecord: boolean;
}

class PdmlReader {
  readonly #records: TsharkRecord[];
  #protocols: string[] = [];
  #frame = 0;
  #exporter = '';
  #header = new Map<string, TsharkField>();
  #templateId = -1;
  #fields: TsharkField[] | undefined;
  #stack: Open[] = [];

  constructor(records: TsharkRecord[]) {
    this.#records = records;
  }

  line(line: string): void {
    const text = line.trimStart();
    if (text.startsWith('<field ')) this.#field(text);
    else if (text.startsWith('</field>')) this.#close();
    else if (text.startsWith('<packet>')) this.#protocols = [];
    else if (text.startsWith('<proto ')) {
      const name = attribute(text, 'name');
      this.#protocols.push(name);
      this.#stack = [];
      this.#fields = undefined;
      if (name === 'cflow') {
        this.#header = new Map();
        this.#templateId = -1;
      }
    }
  }

  #field(text: string): void {
    const name = attribute(text, 'name');
    const show = attribute(text, 'show');
    const protocol = this.#protocols.at(-1);
    const isOpen = !text.endsWith('/>');
    if (protocol === 'geninfo' && name === 'num') this.#frame = Number(show);
    if (protocol === 'ip' && name === 'ip.src') this.#exporter = show;
    if (protocol === 'ipv6' && name === 'ipv6.src') this.#exporter = show;
    let isRecord = false;
    // What an ICMP error quotes was not sent to a collector.
    if (protocol === 'cflow' && !this.#protocols.includes('icmp') && !this.#protocols.includes('icmpv6')) {
      isRecord = name === '' && isOpen && this.#fields === undefined && /^(?:Flow \d+|pdu \d+\/\d+)$/.test(show);
      if (isRecord) this.#beginRecord();
      else this.#keep(name, show, text);
    }
    if (isOpen) this.#stack.push({ name, isRecord });
  }

  #beginRecord(): void {
    this.#fields = [];
    const number = (...names: string[]): number => {
      for (const name of names) {
        const field = this.#header.get(name);
        if (field !== undefined) return Number(field.show);
      }
      return -1;
    };
    this.#records.push({
      frame: this.#frame,
      version: number('cflow.version'),
      exporter: this.#exporter,
      domain: number('cflow.source_id', 'cflow.od_id'),
      templateId: this.#templateId,
      header: this.#header,
      fields: this.#fields,
    });
  }

  #keep(name: string, show: string, text: string): void {
    const label = attribute(text, 'showname');
    const octets = (attribute(text, 'unmaskedvalue') || attribute(text, 'value')).toLowerCase();
    const field = { name, label, show, octets, isReverse: label.includes('(Reverse Type') };
    if (this.#fields === undefined) {
      if (name === 'cflow.flowset_id') this.#templateId = Number(show);
      if (this.#stack.length === 0 && name !== '') this.#header.set(name, field);
      return;
    }
    if (name === '') return;
    const inside = this.#stack.slice(this.#stack.findIndex(({ isRecord }) => isRecord) + 1);
    if (inside.every((parent) => TRANSPARENT.test(parent.name))) this.#fields.push(field);
  }

  #close(): void {
    if (this.#stack.pop()?.isRecord) this.#fields = undefined;
  }
}
