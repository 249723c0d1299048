import { SessionTable } from '../../src/decode/session-table.ts';
import { SflowDecoder } from '../../src/decode/sflow.ts';
import { SLOT } from '../../src/flow/fields.ts';
import { Flow, type PlainRecord, type PlainValue } from '../../src/flow/flow.ts';
import { Origin } from '../../src/flow/origin.ts';
import type { DecodeCounters, DecodeOutcome } from '../../src/metrics/decode-counters.ts';
import { SflowNormalizer } from '../../src/normalize/sflow-normalizer.ts';

/** What a flow or counters record said, copied. */
export interface PlainLine {
  recordType: string;
  /** Fields the layout has, by name; addresses as text. */
  fields: Record<string, number | string>;
  attachments: Record<string, PlainValue>;
  agentAddress: string;
  subAgentId: number;
}

/** A decoder and normaliser that keep copies of all they put out. */
export class SflowHarness {
  readonly sessions = new SessionTable();
  lines: PlainLine[] = [];
  readonly flow = new Flow(new Origin());
  private readonly decoder: SflowDecoder;

  constructor() {
    const output = {
      write: (flow: Flow) => void this.lines.push(copyFlow(flow)),
      writeRecord: (record: PlainRecord) => void this.lines.push(copyRecord(record)),
    };
    this.decoder = new SflowDecoder(this.sessions, new SflowNormalizer(this.flow, output));
  }

  /** Decodes one datagram that lies somewhere inside a larger buffer. */
  decode(octets: Uint8Array, arrivalMs = 1_700_000_000_000, address = '203.0.113.9', port = 6343): DecodeOutcome {
    const buffer = new Uint8Array(octets.length + 13).fill(0xa5);
    buffer.set(octets, 5);
    const view = new DataView(buffer.buffer);
    return this.decoder.decode(buffer, view, 5, 5 + octets.length, address, port, arrivalMs);
  }

  /** Lines of one datagram. */
  linesOf(octets: Uint8Array): PlainLine[] {
    this.lines = [];
    this.decode(octets);
    return this.lines;
  }

  /** Counters of all sessions. */
  get counters(): DecodeCounters {
    return this.sessions.totals();
  }
}

function copyRecord(record: PlainRecord): PlainLine {
  const { agentAddress, subAgentId } = record.origin;
  return { recordType: record.recordType, fields: {}, attachments: { ...record.values }, agentAddress, subAgentId };
}

/** Copies the fields of a flow that its layout says it has. */
export function copyFlow(flow: Flow): PlainLine {
  const fields: Record<string, number | string> = {};
  for (const entry of flow.layout.entries) {
    if (entry.kind !== 'field') continue;
    const { field, type, choices } = entry.field;
    const slot = SLOT[field as keyof typeof SLOT];
    const word = flow.words[slot]!;
    switch (type) {
      case 'u64':
        fields[field] = word * 2 ** 32 + flow.words[slot + 1]!;
        break;
      case 'time':
        fields[field] = flow.times[slot]!;
        break;
      case 'ipv4':
        fields[field] = [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');
        break;
      case 'ipv6':
        fields[field] = ipv6Text(flow.bytes.subarray(word, word + 16));
        break;
      case 'mac':
        fields[field] = Buffer.from(flow.bytes.subarray(word, word + 6)).toString('hex');
        break;
      case 'choice':
        fields[field] = choices?.[word] ?? 'out of range';
        break;
      default:
        fields[field] = word;
    }
  }
  const attachments = Object.fromEntries(flow.attachments.map(({ ntop, value }) => [ntop, value]));
  const { agentAddress, subAgentId } = flow.origin;
  return { recordType: flow.layout.recordType, fields, attachments, agentAddress, subAgentId };
}

/** IPv6 text as the URL standard prints it. */
export function ipv6Text(octets: Uint8Array): string {
  const groups = Buffer.from(octets).toString('hex').match(/..../g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
