import { formatIPv4, formatIPv6 } from '../bytes/address.ts';
import type { DecodeCounters, DecodeFault, DecodeOutcome } from '../metrics/decode-counters.ts';
import { MessageContext } from './message.ts';
import { type SessionTable, SFLOW_SESSION } from './session-table.ts';
import {
  INTERFACE_INDEX,
  SAMPLE_COUNTERS,
  SAMPLE_DISCARD,
  SAMPLE_FLOW,
  type SflowHandler,
  SflowSample,
} from './sflow-sample.ts';
import { SampleSequenceTable } from './sflow-sample-sequence.ts';

/** Version word of the datagrams that are read. */
export const SFLOW_VERSION = 5;

const ADDRESS_IPV4 = 1;
const ADDRESS_IPV6 = 2;

/** Octets of the header around the agent address: version, address type; sub-agent, sequence number, uptime, sample count. */
const HEADER_LENGTH = 24;

/** Sample formats of enterprise 0. */
const FLOW_SAMPLE = 1;
const COUNTERS_SAMPLE = 2;
const FLOW_SAMPLE_EXPANDED = 3;
const COUNTERS_SAMPLE_EXPANDED = 4;
const DISCARDED_PACKET = 5;

/** Octets of the fixed part of each, the record count included. */
const FLOW_SAMPLE_LENGTH = 32;
const COUNTERS_SAMPLE_LENGTH = 12;
const FLOW_SAMPLE_EXPANDED_LENGTH = 44;
const COUNTERS_SAMPLE_EXPANDED_LENGTH = 16;
const DISCARDED_PACKET_LENGTH = 32;

/** Agent of the session on which datagrams without a readable agent address are counted. */
const NO_AGENT = '0.0.0.0';

/** Agent addresses whose text is kept. */
const MAX_AGENT_TEXTS = 16_384;

/**
 * Decodes sFlow version 5 datagrams (sflow.org/sflow_version_5.txt) down to the records of their samples and hands these to
 * a handler. Counts on the wire bound nothing: samples and records are read as long as there are octets.
 */
export class SflowDecoder {
  private readonly sessions: SessionTable;
  private readonly handler: SflowHandler;
  private readonly message = new MessageContext();
  private readonly sample = new SflowSample();
  private readonly sampleSequences = new SampleSequenceTable();
  private readonly agentTexts = new Map<number, string>();
  private readonly lastAgentIPv6 = new Uint8Array(16);
  private lastAgentIPv6Text = '::';

  constructor(sessions: SessionTable, handler: SflowHandler) {
    this.sessions = sessions;
    this.handler = handler;
  }

  /**
   * Decodes the datagram in octets `[start, end)` of `bytes`, over which `view` lies, that came from `address` and `port` at
   * `arrivalMs` (Unix milliseconds). Damage within a sample is counted and costs the rest of the sample; only a datagram
   * whose header cannot be read is discarded, and the fault returned.
   */
  decode(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    address: string,
    port: number,
    arrivalMs: number,
  ): DecodeOutcome {
    const length = end - start;
    if (length < 8)
      return this.discard(
        length < 4 || view.getUint32(start) === SFLOW_VERSION ? 'message_length_invalid' : 'version_unsupported',
        length,
        address,
        port,
        arrivalMs,
      );
    if (view.getUint32(start) !== SFLOW_VERSION)
      return this.discard('version_unsupported', length, address, port, arrivalMs);
    const addressType = view.getUint32(start + 4);
    if (addressType !== ADDRESS_IPV4 && addressType !== ADDRESS_IPV6) {
      return this.discard('agent_address_invalid', length, address, port, arrivalMs);
    }
    const addressLength = addressType === ADDRESS_IPV4 ? 4 : 16;
    if (length < HEADER_LENGTH + addressLength)
      return this.discard('message_length_invalid', length, address, port, arrivalMs);
    const agent =
      addressType === ADDRESS_IPV4 ? this.agentIPv4(view.getUint32(start + 8)) : this.agentIPv6(bytes, view, start + 8);
    const at = start + 8 + addressLength;
    const subAgentId = view.getUint32(at);
    const session = this.sessions.find(SFLOW_SESSION, address, port, subAgentId, agent, false, arrivalMs);
    const counters = session.counters;
    counters.messagesReceived++;
    counters.octetsReceived += length;
    counters.messagesDecoded++;
    this.sessions.messageDecoded(session);
    const message = this.message;
    message.bytes = bytes;
    message.view = view;
    message.session = session;
    message.version = SFLOW_VERSION;
    message.arrivalMs = arrivalMs;
    message.exportTimeMs = arrivalMs;
    message.sequenceNumber = view.getUint32(at + 4);
    message.sysUpTimeMs = view.getUint32(at + 8);
    session.sequence.observe(message.sequenceNumber, 1, message.sysUpTimeMs, true, counters);
    this.handler.startDatagram(message);
    this.decodeSamples(view, at + 16, end, view.getUint32(at + 12), counters);
    return 'ok';
  }

  private decodeSamples(view: DataView, start: number, end: number, count: number, counters: DecodeCounters): void {
    let position = start;
    let left = count;
    while (left > 0 && end - position >= 8) {
      left--;
      const format = view.getUint32(position);
      const length = view.getUint32(position + 4);
      position += 8;
      let sampleEnd = end;
      if (length <= end - position) {
        sampleEnd = position + length;
      } else {
        // The records that are there in full are still good.
        counters.faults.sample_truncated++;
      }
      this.decodeSample(view, position, sampleEnd, format, counters);
      position = sampleEnd;
    }
    if (left > 0) counters.faults.record_count_invalid++;
    counters.trailingOctets += end - position;
  }

  private decodeSample(view: DataView, at: number, end: number, format: number, counters: DecodeCounters): void {
    const fixedLength = fixedLengthOf(format);
    if (fixedLength === 0) {
      counters.unknownSamples++;
      return;
    }
    if (end - at < fixedLength) {
      counters.faults.sample_truncated++;
      return;
    }
    const sample = this.sample;
    switch (format) {
      case FLOW_SAMPLE:
        readFlowSample(view, at, sample);
        break;
      case FLOW_SAMPLE_EXPANDED:
        readExpandedFlowSample(view, at, sample);
        break;
      case DISCARDED_PACKET:
        readDiscardedPacket(view, at, sample);
        break;
      default:
        readCountersSample(view, at, format === COUNTERS_SAMPLE_EXPANDED, sample);
    }
    if (sample.kind === SAMPLE_COUNTERS) counters.countersRecords++;
    else counters.flowRecords++;
    const session = this.message.session;
    if (sample.samplingInterval !== 0) session.samplingInterval = sample.samplingInterval;
    this.sampleSequences.observe(
      session,
      sample.kind,
      sample.sourceIdType,
      sample.sourceIdIndex,
      sample.sequenceNumber,
      counters,
    );
    this.handler.startSample(sample);
    this.decodeRecords(view, at + fixedLength, end, view.getUint32(at + fixedLength - 4), sample, counters);
    this.handler.endSample(sample);
  }

  private decodeRecords(
    view: DataView,
    start: number,
    end: number,
    count: number,
    sample: SflowSample,
    counters: DecodeCounters,
  ): void {
    let position = start;
    let left = count;
    while (left > 0) {
      if (end - position < 8) {
        counters.faults.sample_record_truncated++;
        return;
      }
      left--;
      const dataFormat = view.getUint32(position);
      const length = view.getUint32(position + 4);
      position += 8;
      if (length > end - position) {
        counters.faults.sample_record_truncated++;
        return;
      }
      this.handler.readRecord(sample, dataFormat, position, position + length);
      // Opaque data is padded to four octets (RFC 4506 section 4.10); the last padding may be left out.
      position += (length + 3) & ~3;
    }
    if (position < end) counters.trailingOctets += end - position;
  }

  private agentIPv4(address: number): string {
    let text = this.agentTexts.get(address);
    if (text === undefined) {
      if (this.agentTexts.size >= MAX_AGENT_TEXTS) this.agentTexts.clear();
      text = formatIPv4(address);
      this.agentTexts.set(address, text);
    }
    return text;
  }

  private agentIPv6(bytes: Uint8Array, view: DataView, at: number): string {
    const last = this.lastAgentIPv6;
    let changed = false;
    for (let i = 0; i < 16; i++) {
      if (last[i] === bytes[at + i]) continue;
      changed = true;
      last[i] = bytes[at + i]!;
    }
    if (changed) this.lastAgentIPv6Text = formatIPv6(view, at);
    return this.lastAgentIPv6Text;
  }

  private discard(fault: DecodeFault, length: number, address: string, port: number, arrivalMs: number): DecodeFault {
    const counters = this.sessions.find(SFLOW_SESSION, address, port, 0, NO_AGENT, false, arrivalMs).counters;
    counters.messagesReceived++;
    counters.messagesDiscarded++;
    counters.octetsReceived += length;
    counters.faults[fault]++;
    return fault;
  }
}

function fixedLengthOf(format: number): number {
  switch (format) {
    case FLOW_SAMPLE:
      return FLOW_SAMPLE_LENGTH;
    case COUNTERS_SAMPLE:
      return COUNTERS_SAMPLE_LENGTH;
    case FLOW_SAMPLE_EXPANDED:
      return FLOW_SAMPLE_EXPANDED_LENGTH;
    case COUNTERS_SAMPLE_EXPANDED:
      return COUNTERS_SAMPLE_EXPANDED_LENGTH;
    case DISCARDED_PACKET:
      return DISCARDED_PACKET_LENGTH;
    default:
      return 0;
  }
}

/** Source: 8 bits type, 24 bits index. Interfaces: 2 bits format, 30 bits value. */
function readFlowSample(view: DataView, at: number, sample: SflowSample): void {
  sample.kind = SAMPLE_FLOW;
  sample.sequenceNumber = view.getUint32(at);
  const source = view.getUint32(at + 4);
  sample.sourceIdType = source >>> 24;
  sample.sourceIdIndex = source & 0x00ff_ffff;
  sample.samplingInterval = view.getUint32(at + 8);
  sample.samplePool = view.getUint32(at + 12);
  sample.drops = view.getUint32(at + 16);
  const input = view.getUint32(at + 20);
  sample.inputFormat = input >>> 30;
  sample.input = input & 0x3fff_ffff;
  const output = view.getUint32(at + 24);
  sample.outputFormat = output >>> 30;
  sample.output = output & 0x3fff_ffff;
  sample.discardReason = 0;
}

function readExpandedFlowSample(view: DataView, at: number, sample: SflowSample): void {
  sample.kind = SAMPLE_FLOW;
  sample.sequenceNumber = view.getUint32(at);
  sample.sourceIdType = view.getUint32(at + 4);
  sample.sourceIdIndex = view.getUint32(at + 8);
  sample.samplingInterval = view.getUint32(at + 12);
  sample.samplePool = view.getUint32(at + 16);
  sample.drops = view.getUint32(at + 20);
  sample.inputFormat = view.getUint32(at + 24);
  sample.input = view.getUint32(at + 28);
  sample.outputFormat = view.getUint32(at + 32);
  sample.output = view.getUint32(at + 36);
  sample.discardReason = 0;
}

function readDiscardedPacket(view: DataView, at: number, sample: SflowSample): void {
  sample.kind = SAMPLE_DISCARD;
  sample.sequenceNumber = view.getUint32(at);
  sample.sourceIdType = view.getUint32(at + 4);
  sample.sourceIdIndex = view.getUint32(at + 8);
  sample.samplingInterval = 0;
  sample.samplePool = 0;
  sample.drops = view.getUint32(at + 12);
  sample.inputFormat = INTERFACE_INDEX;
  sample.input = view.getUint32(at + 16);
  sample.outputFormat = INTERFACE_INDEX;
  sample.output = view.getUint32(at + 20);
  sample.discardReason = view.getUint32(at + 24);
}

function readCountersSample(view: DataView, at: number, isExpanded: boolean, sample: SflowSample): void {
  sample.kind = SAMPLE_COUNTERS;
  sample.sequenceNumber = view.getUint32(at);
  const source = view.getUint32(at + 4);
  sample.sourceIdType = isExpanded ? source : source >>> 24;
  sample.sourceIdIndex = isExpanded ? view.getUint32(at + 8) : source & 0x00ff_ffff;
  sample.samplingInterval = 0;
  sample.samplePool = 0;
  sample.drops = 0;
  sample.inputFormat = INTERFACE_INDEX;
  sample.input = 0;
  sample.outputFormat = INTERFACE_INDEX;
  sample.output = 0;
  sample.discardReason = 0;
}
