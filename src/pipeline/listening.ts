import { isIP } from 'node:net';
import { LenientJson } from '../decode/lenient-json.ts';
import { NtopngMessage } from '../decode/ntopng-message.ts';
import { NtopngRecord } from '../decode/ntopng-record.ts';
import { isTlv, TlvReader } from '../decode/ntopng-tlv.ts';
import type { PlainValue } from '../flow/flow.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { loadDefinitionDirectory } from '../ie/definition-file.ts';
import { loadBuiltInRegistry } from '../ie/registry.ts';
import { type ListenFault, WHOLE_MESSAGE_FAULTS } from '../metrics/listen-counters.ts';
import { ListenedFlows } from '../normalize/listened-flow.ts';
import { ListenedKeys } from '../normalize/listened-key.ts';
import {
  areCounters,
  COUNTER_NAMES,
  isPlainObject,
  ListenedNames,
  learnTemplate,
  type PlainObject,
} from '../normalize/listened-names.ts';
import { type ListenEndpoint, type ListenSource, ListenSources } from './listen-sources.ts';

/** Messages of ntop's ZeroMQ feeds in, records out. */
export class Listening {
  readonly sources = new ListenSources();
  /** Messages that met a fault of this program, and the last one's error. */
  internalErrors = 0;
  lastInternalError = '';
  private readonly message = new NtopngMessage();
  private readonly tlv = new TlvReader();
  private readonly json = new LenientJson();
  private readonly record = new NtopngRecord();
  private readonly keys: ListenedKeys;
  private readonly names = new ListenedNames();
  private readonly flows: ListenedFlows;
  private readonly relay: (topic: 'snmp-ifaces' | 'listening-ports', value: PlainValue) => void;
  /** Where the message at hand comes from; see `ListenedOrigin`. */
  private readonly from = { version: 0, address: '', port: 0, sourceId: -1, messageId: -1, arrivalMs: 0 };

  /**
   * Records go to `output`, and objects of topics that have none to `relay`; `ieDefinitions` are directories of a user's
   * elements. Throws one clear error where they cannot be read.
   */
  constructor(
    ieDefinitions: readonly string[],
    output: RecordOutput,
    relay: (topic: 'snmp-ifaces' | 'listening-ports', value: PlainValue) => void = () => {},
  ) {
    this.relay = relay;
    const builtIn = loadBuiltInRegistry();
    const own = ieDefinitions.flatMap((directory) => loadDefinitionDirectory(directory));
    this.keys = new ListenedKeys(own.length === 0 ? builtIn : builtIn.withDefinitions(own));
    this.flows = new ListenedFlows(this.keys, this.names, output);
  }

  /**
   * Takes one message; returns the first reason why something of it could not be taken, or undefined. Never throws: what a
   * fault of this program would throw is counted and kept for the log.
   */
  take(frames: readonly Uint8Array[], endpoint: ListenEndpoint, arrivalMs: number): ListenFault | undefined {
    const { message, flows } = this;
    let source: ListenSource | undefined;
    try {
      const fault = message.read(frames);
      const isFromHeader = fault === undefined || isBehindHeader(fault);
      source = this.sources.find(endpoint, isFromHeader ? message.sourceId : -1, arrivalMs);
      const { counters } = source;
      source.lastSeenMs = arrivalMs;
      counters.messagesReceived++;
      for (let i = 0; i < frames.length; i++) counters.octetsReceived += frames[i]!.length;
      if (isFromHeader && message.messageId >= 0) source.numbers.observe(message.messageId, counters);
      const reason = fault ?? this.takeTopic(source, arrivalMs);
      if (flows.invalidValues > 0) {
        counters.faults.value_invalid += flows.invalidValues;
        flows.invalidValues = 0;
      }
      if (reason !== undefined) counters.faults[reason]++;
      if (reason !== undefined && WHOLE_MESSAGE_FAULTS.has(reason)) counters.messagesDiscarded++;
      else counters.messagesDecoded++;
      return reason;
    } catch (error) {
      this.internalErrors++;
      this.lastInternalError = error instanceof Error ? (error.stack ?? error.message) : String(error);
      if (source !== undefined) source.counters.messagesDiscarded++;
      return undefined;
    }
  }

  private takeTopic(source: ListenSource, arrivalMs: number): ListenFault | undefined {
    const { message, from, flows } = this;
    const { counters, endpoint, probe } = source;
    from.version = message.headerVersion;
    from.address = probe === undefined || probe.address === '' ? endpoint.address : probe.address;
    from.port = endpoint.port;
    from.sourceId = message.sourceId;
    from.messageId = message.messageId;
    from.arrivalMs = arrivalMs;
    flows.startMessage(from);
    switch (message.topic) {
      case 'flow':
        return isTlv(message.payload) ? this.takeTlvFlows(source) : this.takeJson(source);
      case 'counter':
        return isTlv(message.payload) ? this.takeTlvCounters(source) : this.takeJson(source);
      case 'option':
        return this.takeJson(source);
      case 'template':
        counters.templateMessages++;
        return this.takeJson(source);
      case 'event':
        counters.statusMessages++;
        return this.takeJson(source);
      case 'snmp-ifaces':
        counters.interfaceNameMessages++;
        return this.takeJson(source);
      case 'listening-ports':
        counters.listeningPortsMessages++;
        return this.takeJson(source);
      default:
        counters.otherMessages++;
        return undefined;
    }
  }

  private takeTlvFlows({ counters }: ListenSource): ListenFault | undefined {
    const { tlv, record, flows, from } = this;
    tlv.start(this.message.payload);
    while (tlv.next(record)) {
      flows.write(record, from);
      counters.flowRecords++;
    }
    return tlv.fault;
  }

  private takeTlvCounters({ counters }: ListenSource): ListenFault | undefined {
    const { tlv, record } = this;
    tlv.start(this.message.payload);
    while (tlv.next(record)) {
      const value: Record<string, PlainValue> = {};
      for (let i = 0; i < record.count; i++) {
        const number = record.keyNumbers[i]!;
        const name = number < 0 ? record.keyNames[i]! : (COUNTER_NAMES[number] ?? String(number));
        if (name !== '__proto__') value[name] = record.plain(i);
      }
      this.flows.writePlain('counters', value, this.from);
      counters.countersRecords++;
    }
    return tlv.fault;
  }

  private takeJson(source: ListenSource): ListenFault | undefined {
    const { json, message } = this;
    let { length } = message.payload;
    // Programs in C send the end of their text too.
    while (length > 0 && message.payload[length - 1] === 0) length--;
    json.start(utf8.decode(message.payload.subarray(0, length)));
    let reason: ListenFault | undefined;
    for (;;) {
      const value = json.next();
      if (value === undefined) return json.fault ?? reason;
      reason = this.takeValue(source, value) ?? reason;
    }
  }

  private takeValue(source: ListenSource, value: PlainValue): ListenFault | undefined {
    switch (this.message.topic) {
      case 'template':
        return learnTemplate(value, this.keys) ? undefined : 'record_shape_invalid';
      case 'snmp-ifaces':
        if (!this.names.learn(value)) return 'record_shape_invalid';
        this.relay('snmp-ifaces', value);
        return undefined;
      case 'listening-ports':
        if (!isPlainObject(value)) return 'record_shape_invalid';
        this.relay('listening-ports', value);
        return undefined;
      case 'event':
        return this.takeStatus(source, value);
      default: {
        if (!Array.isArray(value)) return this.takeRecord(source, value);
        let reason: ListenFault | undefined;
        for (const item of value as readonly PlainValue[]) reason = this.takeRecord(source, item) ?? reason;
        return reason;
      }
    }
  }

  private takeRecord({ counters }: ListenSource, value: PlainValue): ListenFault | undefined {
    const { record, flows, from } = this;
    if (!isPlainObject(value)) return 'record_shape_invalid';
    const kind = this.kindOf(value);
    if (kind === 'counters') {
      counters.countersRecords++;
      flows.writePlain('counters', value, from);
      return undefined;
    }
    if (kind === 'options') {
      counters.optionsRecords++;
      flows.writePlain('options', value, from);
      return undefined;
    }
    record.count = 0;
    let reason: ListenFault | undefined;
    for (const key of Object.keys(value)) if (!record.addPlain(key, value[key]!)) reason = 'record_too_long';
    if (record.count === 0) return 'record_shape_invalid';
    flows.write(record, from);
    counters.flowRecords++;
    return reason;
  }

  private kindOf(value: PlainObject): 'counters' | 'options' | 'flow' {
    const { topic } = this.message;
    if (topic === 'counter') return 'counters';
    if (topic === 'option') return 'options';
    // Lines of ours tell what they are.
    const recordType = value['RECORD_TYPE'] ?? value['recordType'];
    if (recordType === 'counters' || recordType === 'options') return recordType;
    return areCounters(value) ? 'counters' : 'flow';
  }

  private takeStatus(source: ListenSource, value: PlainValue): ListenFault | undefined {
    if (!isPlainObject(value)) return 'record_shape_invalid';
    const { probe, iface, packet_drops: packetDrops } = value;
    const said = isPlainObject(probe) ? probe : {};
    source.probe = {
      address: addressOf(said['ip']),
      name: shortText(isPlainObject(iface) ? iface['name'] : undefined),
      version: shortText(said['version']),
      packetDrops: typeof packetDrops === 'number' ? packetDrops : 0,
    };
    return undefined;
  }
}

// A byte order mark is text like any other.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const MAX_STATUS_TEXT = 256;

function isBehindHeader(fault: ListenFault): boolean {
  return fault === 'payload_empty' || fault === 'inflate_failed' || fault === 'inflate_too_large';
}

function shortText(value: PlainValue | undefined): string {
  return typeof value === 'string' ? value.slice(0, MAX_STATUS_TEXT) : '';
}

function addressOf(value: PlainValue | undefined): string {
  return typeof value === 'string' && isIP(value) !== 0 && !/^[0.:]+$|%/.test(value) ? value : '';
}
