import { Cursor } from '../bytes/cursor.ts';
import { DecodeCounters, type DecodeFault, type DecodeOutcome } from '../metrics/decode-counters.ts';
import { MessageContext, NO_UPTIME } from './message.ts';
import { type FixedFormat, NETFLOW1, NETFLOW5, NETFLOW7 } from './netflow5.ts';
import type { PendingSets } from './pending-sets.ts';
import type { ReaderFactory } from './record-reader.ts';
import type { Session, TemplateEntry } from './session.ts';
import type { SessionTable } from './session-table.ts';
import {
  FIRST_TEMPLATE_ID,
  parseTemplateSet,
  type Template,
  type TemplateHandler,
  type TemplateSetKind,
} from './template.ts';

const SET_HEADER_LENGTH = 4;
const NETFLOW9_HEADER_LENGTH = 20;
const IPFIX_HEADER_LENGTH = 16;
const NETFLOW9_TEMPLATE_SET = 0;
const NETFLOW9_OPTIONS_TEMPLATE_SET = 1;
const IPFIX_TEMPLATE_SET = 2;
const IPFIX_OPTIONS_TEMPLATE_SET = 3;

/** Decodes NetFlow v1, v5, v7 and v9 (RFC 3954) and IPFIX (RFC 7011) messages, each handed over whole. */
export class NetflowDecoder {
  /** Messages that belong to no session: too short, or of an unknown version. */
  readonly unattributed = new DecodeCounters();
  private readonly sessions: SessionTable;
  private readonly pending: PendingSets;
  private readonly readers: ReaderFactory;
  private readonly templateTimeoutMs: number;
  private readonly message = new MessageContext();
  private readonly cursor = new Cursor(new DataView(new ArrayBuffer(0)));
  private readonly fixedReaders = new Map<FixedFormat, TemplateEntry>();
  private readonly handler: TemplateHandler = {
    known: (id) => this.message.session.templates.get(id)?.template,
    shared: (id, version, scopeFieldCount, view, start, end) =>
      this.sessions.shared.find(id, version, scopeFieldCount, view, start, end),
    announce: (template) => this.announce(template),
    withdraw: (id) => this.withdraw(id),
  };
  private dataRecords = 0;
  private unitsKnown = true;
  private setKind: TemplateSetKind = 'netflow9';

  /** `templateTimeoutMs` 0 keeps Templates for ever. */
  constructor(sessions: SessionTable, pending: PendingSets, readers: ReaderFactory, templateTimeoutMs: number) {
    this.sessions = sessions;
    this.pending = pending;
    this.readers = readers;
    this.templateTimeoutMs = templateTimeoutMs;
  }

  /**
   * Decodes the message in octets `[start, end)`; never throws, whatever they are. `isReliable` for TCP and files, where
   * withdrawals count.
   */
  decode(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    address: string,
    port: number,
    arrivalMs: number,
    isReliable: boolean,
  ): DecodeOutcome {
    const version = end - start >= 2 ? view.getUint16(start) : -1;
    const { message } = this;
    message.bytes = bytes;
    message.view = view;
    message.version = version;
    message.arrivalMs = arrivalMs;
    switch (version) {
      case 9:
        return this.decodeNetflow9(start, end, address, port, isReliable);
      case 10:
        return this.decodeIpfix(start, end, address, port, isReliable);
      case 5:
        return this.decodeFixed(NETFLOW5, start, end, address, port);
      case 1:
        return this.decodeFixed(NETFLOW1, start, end, address, port);
      case 7:
        return this.decodeFixed(NETFLOW7, start, end, address, port);
      default:
        return this.discardUnattributed(version < 0 ? 'message_length_invalid' : 'version_unsupported', end - start);
    }
  }

  /**
   * Learns a Template of `session` that was heard elsewhere, and decodes what waits for it. It is not counted: whoever heard
   * it has counted it.
   */
  adopt(session: Session, template: Template, nowMs: number): void {
    const { counters } = session;
    const { templatesLearned, templatesRedefined, templatesRefreshed } = counters;
    const { templateCollisions } = this.sessions;
    this.message.session = session;
    this.message.arrivalMs = nowMs;
    this.announce(template);
    counters.templatesLearned = templatesLearned;
    counters.templatesRedefined = templatesRedefined;
    counters.templatesRefreshed = templatesRefreshed;
    this.sessions.templateCollisions = templateCollisions;
  }

  /** RFC 3954 section 5.1. The header's count is often wrong and not needed: set lengths say where the packet ends. */
  private decodeNetflow9(
    start: number,
    end: number,
    address: string,
    port: number,
    isReliable: boolean,
  ): DecodeOutcome {
    const { message } = this;
    const { view } = message;
    if (end - start < NETFLOW9_HEADER_LENGTH) return this.discardUnattributed('message_length_invalid', end - start);
    const sysUpTimeMs = view.getUint32(start + 4);
    const sequenceNumber = view.getUint32(start + 12);
    const session = this.sessions.find(9, address, port, view.getUint32(start + 16), '', isReliable, message.arrivalMs);
    message.session = session;
    message.exportTimeMs = view.getUint32(start + 8) * 1000;
    message.sysUpTimeMs = sysUpTimeMs;
    message.sequenceNumber = sequenceNumber;
    message.headerSamplingInterval = 0;
    const { counters } = session;
    counters.messagesReceived++;
    counters.octetsReceived += end - start;
    session.sequence.observe(sequenceNumber, 1, sysUpTimeMs, true, counters);
    let outcome: DecodeOutcome = 'ok';
    let pos = start + NETFLOW9_HEADER_LENGTH;
    while (end - pos >= SET_HEADER_LENGTH) {
      const setId = view.getUint16(pos);
      const length = view.getUint16(pos + 2);
      // Palo Alto sends one FlowSet in a datagram filled up with zeros.
      if (setId === 0 && length === 0) break;
      if (length < SET_HEADER_LENGTH || length > end - pos) {
        outcome = this.fault(session, 'set_length_invalid');
        break;
      }
      const result = this.decodeSet(setId, pos + SET_HEADER_LENGTH, pos + length, 9);
      if (result !== 'ok') outcome = this.fault(session, result);
      pos += length;
    }
    counters.trailingOctets += end - pos;
    counters.messagesDecoded++;
    this.sessions.messageDecoded(session);
    return outcome;
  }

  /** RFC 7011 section 3.1. A message with broken framing is discarded whole (section 9.1). */
  private decodeIpfix(start: number, end: number, address: string, port: number, isReliable: boolean): DecodeOutcome {
    const { message } = this;
    const { view } = message;
    if (end - start < IPFIX_HEADER_LENGTH) return this.discardUnattributed('message_length_invalid', end - start);
    const sequenceNumber = view.getUint32(start + 8);
    const session = this.sessions.find(
      10,
      address,
      port,
      view.getUint32(start + 12),
      '',
      isReliable,
      message.arrivalMs,
    );
    message.session = session;
    message.exportTimeMs = view.getUint32(start + 4) * 1000;
    message.sysUpTimeMs = NO_UPTIME;
    message.sequenceNumber = sequenceNumber;
    message.headerSamplingInterval = 0;
    const { counters } = session;
    counters.messagesReceived++;
    counters.octetsReceived += end - start;
    const messageEnd = start + view.getUint16(start + 2);
    const framing = checkIpfixFraming(view, start, messageEnd, end);
    if (framing !== 'ok') {
      counters.messagesDiscarded++;
      return this.fault(session, framing);
    }
    let outcome: DecodeOutcome = 'ok';
    this.dataRecords = 0;
    this.unitsKnown = true;
    for (let pos = start + IPFIX_HEADER_LENGTH; pos < messageEnd; ) {
      const setId = view.getUint16(pos);
      const setEnd = pos + view.getUint16(pos + 2);
      const result = this.decodeSet(setId, pos + SET_HEADER_LENGTH, setEnd, 10);
      if (result !== 'ok') outcome = this.fault(session, result);
      pos = setEnd;
    }
    session.sequence.observe(sequenceNumber, this.dataRecords, 0, this.unitsKnown, counters);
    counters.trailingOctets += end - messageEnd;
    counters.messagesDecoded++;
    this.sessions.messageDecoded(session);
    return outcome;
  }

  private decodeFixed(format: FixedFormat, start: number, end: number, address: string, port: number): DecodeOutcome {
    const { message } = this;
    const { view } = message;
    const { version, headerLength, template } = format;
    if (end - start < headerLength) return this.discardUnattributed('message_length_invalid', end - start);
    const count = view.getUint16(start + 2);
    const sysUpTimeMs = view.getUint32(start + 4);
    const engine = version === 5 ? view.getUint16(start + 20) : 0;
    const session = this.sessions.find(version, address, port, engine, '', false, message.arrivalMs);
    message.session = session;
    // Nanoseconds past a second are an addition, not a fraction to trust: some Exporters put garbage there.
    const nanoseconds = view.getUint32(start + 12);
    message.exportTimeMs = view.getUint32(start + 8) * 1000 + (nanoseconds < 1e9 ? Math.floor(nanoseconds / 1e6) : 0);
    message.sysUpTimeMs = sysUpTimeMs;
    message.sequenceNumber = version === 1 ? -1 : view.getUint32(start + 16);
    message.headerSamplingInterval = version === 5 ? view.getUint16(start + 22) & 0x3fff : 0;
    session.samplingInterval = message.headerSamplingInterval;
    const { counters } = session;
    counters.messagesReceived++;
    counters.octetsReceived += end - start;
    const recordLength = template.minRecordLength;
    const present = Math.floor((end - start - headerLength) / recordLength);
    const records = Math.min(count, present);
    if (records === 0) {
      counters.messagesDiscarded++;
      return this.fault(session, 'record_count_invalid');
    }
    const recordsEnd = start + headerLength + records * recordLength;
    let entry = this.fixedReaders.get(format);
    if (entry === undefined) {
      entry = { template, reader: this.readers.readerFor(session, template), announcedMs: 0, usedMs: 0 };
      this.fixedReaders.set(format, entry);
    }
    counters.flowRecords += entry.reader!.readSet(message, start + headerLength, recordsEnd);
    if (version !== 1) session.sequence.observe(message.sequenceNumber, count, sysUpTimeMs, true, counters);
    counters.trailingOctets += end - recordsEnd;
    counters.messagesDecoded++;
    this.sessions.messageDecoded(session);
    return count > present ? this.fault(session, 'record_count_invalid') : 'ok';
  }

  private decodeSet(setId: number, pos: number, end: number, version: number): DecodeOutcome {
    if (setId >= FIRST_TEMPLATE_ID) return this.decodeDataSet(setId, pos, end);
    const kind = templateSetKind(setId, version);
    if (kind === undefined) return 'set_id_reserved';
    this.setKind = kind;
    return parseTemplateSet(this.cursor.reset(this.message.view, pos, end), kind, this.handler);
  }

  private decodeDataSet(templateId: number, pos: number, end: number): DecodeOutcome {
    const { message } = this;
    const { session } = message;
    if (this.templateTimeoutMs > 0) this.sessions.expire(session, message.arrivalMs - this.templateTimeoutMs);
    const entry = this.sessions.templateFor(session, templateId);
    if (entry === undefined) {
      this.unitsKnown = false;
      this.pending.add(message, templateId, pos, end);
      return 'ok';
    }
    return this.readRecords(message, entry, pos, end);
  }

  private readRecords(message: MessageContext, entry: TemplateEntry, pos: number, end: number): DecodeOutcome {
    const { session } = message;
    const { counters } = session;
    entry.usedMs = message.arrivalMs;
    message.templateId = entry.template.id;
    entry.reader ??= this.readers.readerFor(session, entry.template);
    const truncated = counters.faults.record_truncated;
    const records = entry.reader.readSet(message, pos, end);
    this.dataRecords += records;
    if (entry.template.scopeFieldCount < 0) counters.flowRecords += records;
    else counters.optionsRecords += records;
    if (counters.faults.record_truncated !== truncated) this.unitsKnown = false;
    return 'ok';
  }

  private announce(template: Template): DecodeOutcome {
    const { session, arrivalMs } = this.message;
    if (!this.sessions.learn(session, template, arrivalMs)) return 'template_limit';
    if (this.pending.hasAny(session)) {
      // Records of earlier messages are none of this one's, whose sequence number counts its own.
      const { dataRecords, unitsKnown } = this;
      const entry = session.templates.get(template.id)!;
      this.pending.take(session, template.id, (message, pos, end) => {
        if (message.session.hasEnded) message.session = session;
        else if (message.session !== session) message.session.counters.templateBorrowed++;
        this.readRecords(message, entry, pos, end);
      });
      this.dataRecords = dataRecords;
      this.unitsKnown = unitsKnown;
    }
    return 'ok';
  }

  private withdraw(id: number): void {
    const { session } = this.message;
    if (!session.isReliable) {
      session.counters.withdrawalsIgnored++;
      return;
    }
    const ofOptions = this.setKind === 'ipfixOptions';
    if (id >= FIRST_TEMPLATE_ID) {
      if (this.sessions.forget(session, id)) session.counters.templatesWithdrawn++;
      return;
    }
    if (id !== (ofOptions ? IPFIX_OPTIONS_TEMPLATE_SET : IPFIX_TEMPLATE_SET)) {
      this.fault(session, 'template_id_reserved');
      return;
    }
    for (const [known, entry] of [...session.templates]) {
      if (entry.template.scopeFieldCount >= 0 !== ofOptions) continue;
      this.sessions.forget(session, known);
      session.counters.templatesWithdrawn++;
    }
  }

  private fault(session: Session, fault: DecodeFault): DecodeFault {
    session.counters.faults[fault]++;
    return fault;
  }

  private discardUnattributed(fault: DecodeFault, octets: number): DecodeFault {
    this.unattributed.messagesReceived++;
    this.unattributed.messagesDiscarded++;
    this.unattributed.octetsReceived += octets;
    this.unattributed.faults[fault]++;
    return fault;
  }
}

function templateSetKind(setId: number, version: number): TemplateSetKind | undefined {
  if (version === 9) {
    if (setId === NETFLOW9_TEMPLATE_SET) return 'netflow9';
    return setId === NETFLOW9_OPTIONS_TEMPLATE_SET ? 'netflow9Options' : undefined;
  }
  if (setId === IPFIX_TEMPLATE_SET) return 'ipfix';
  return setId === IPFIX_OPTIONS_TEMPLATE_SET ? 'ipfixOptions' : undefined;
}

/** Walks the Set headers only: afterwards every Set is known to lie inside the message. */
function checkIpfixFraming(view: DataView, start: number, messageEnd: number, end: number): DecodeOutcome {
  if (messageEnd - start < IPFIX_HEADER_LENGTH || messageEnd > end) return 'message_length_invalid';
  let pos = start + IPFIX_HEADER_LENGTH;
  while (pos < messageEnd) {
    if (messageEnd - pos < SET_HEADER_LENGTH) return 'set_length_invalid';
    const length = view.getUint16(pos + 2);
    if (length < SET_HEADER_LENGTH || length > messageEnd - pos) return 'set_length_invalid';
    pos += length;
  }
  return 'ok';
}
