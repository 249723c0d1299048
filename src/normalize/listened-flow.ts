import { formatIPv4, formatIPv6 } from '../bytes/address.ts';
import { parseDigits, parseIPv4, parseIPv6, parseMac } from '../bytes/parse-address.ts';
import { type NtopngRecord, VALUE_KINDS } from '../decode/ntopng-record.ts';
import { type FieldName, SAMPLING_ORIGINS, type SamplingOrigin, SLOT } from '../flow/fields.ts';
import { Flow, type PlainValue } from '../flow/flow.ts';
import { Origin } from '../flow/origin.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { agentShape, agentValues } from './listened-agent.ts';
import { type FieldFill, type KeyTarget, type ListenedKeys, PROBE_SAMPLING_KEY } from './listened-key.ts';
import { type LayoutStep, LISTENED_VALUES, ListenedLayouts } from './listened-layouts.ts';
import { type ListenedNames, type PlainObject, plainValues } from './listened-names.ts';

/** Octets of all texts of a record: whoever writes it may take six octets for one. */
const MAX_TEXT_OCTETS = 192 * 1024;
/** Room for what is parsed behind the last text. */
const SPARE_OCTETS = 64;
const MAX_NAME_OCTETS = 4096;
const MAX_APPLICATION_SELECTOR = 2 ** 48;

const UNSIGNED = LISTENED_VALUES.indexOf('unsigned');
const SIGNED = LISTENED_VALUES.indexOf('signed');
const FLOAT = LISTENED_VALUES.indexOf('float');
const BOOLEAN = LISTENED_VALUES.indexOf('boolean');
const IPV4 = LISTENED_VALUES.indexOf('ipv4');
const IPV6 = LISTENED_VALUES.indexOf('ipv6');
const MAC = LISTENED_VALUES.indexOf('mac');
const STRING = LISTENED_VALUES.indexOf('string');

const HAS_IPV4 = 1;
const HAS_IPV6 = 2;
const IS_IPV4_SET = 4;
const IS_IPV6_SET = 8;

/** Reasons that ntopng shows as text, by IANA's number (flowEndReason, RFC 5102 section 5.11.3). */
const FLOW_END_REASONS: readonly string[] = [
  '',
  'idle timeout',
  'active timeout',
  'end of flow detected',
  'forced end',
  'lack of resources',
];

/** Where the records of a message come from, as far as the records do not say it themselves. */
export interface ListenedOrigin {
  /** Layout of the header, 0 to 3. */
  readonly version: number;
  /** Address and port of the endpoint, or the probe's address where a message has told it. */
  readonly address: string;
  readonly port: number;
  /** -1 where the header has none. */
  readonly sourceId: number;
  readonly messageId: number;
  /** Unix milliseconds. */
  readonly arrivalMs: number;
}

const encoder = new TextEncoder();

/**
 * Makes flows of records of keys and values. Values that do not fit their field are kept under another key. The texts of a
 * flow lie in octets of this object's own, which stay the same for all flows.
 */
export class ListenedFlows {
  /** Values that did not fit their field, or had no room. */
  invalidValues = 0;
  /** What every record is written to. */
  readonly flow = new Flow(new Origin());
  private readonly keys: ListenedKeys;
  private readonly names: ListenedNames;
  private readonly output: RecordOutput;
  private readonly layouts = new ListenedLayouts();
  private readonly bytes = new Uint8Array(MAX_TEXT_OCTETS + SPARE_OCTETS);
  private readonly view = new DataView(this.bytes.buffer);
  private textEnd = 0;
  private serial = 0;
  private step: LayoutStep = this.layouts.start();
  private addresses = 0;
  private exporter = '';
  private exporterRank = 0;
  private exporterPort = -1;
  private exportTimeMs = -1;
  private timestampMs = -1;
  private userName = '';
  private samplingInterval = 0;
  private samplingOrigin = -1;
  private lastAddress = 0;
  private lastAddressText = '0.0.0.0';
  /** Value just read by {@link ListenedFlows.readNumber}. */
  private numberHigh = 0;
  private numberLow = 0;

  /** Flows go to `output`. */
  constructor(keys: ListenedKeys, names: ListenedNames, output: RecordOutput) {
    this.keys = keys;
    this.names = names;
    this.output = output;
    this.flow.bytes = this.bytes;
    this.flow.view = this.view;
    this.flow.origin.protocol = 'ntopng';
  }

  /** Says where the records that follow come from. */
  startMessage({ version, sourceId, messageId }: ListenedOrigin): void {
    const { origin } = this.flow;
    origin.serial++;
    origin.version = version;
    origin.observationDomainId = sourceId;
    origin.sequenceNumber = messageId;
  }

  /** Makes a flow of a record and hands it on. */
  write(record: NtopngRecord, from: ListenedOrigin): void {
    const { flow, keys } = this;
    this.serial++;
    keys.startRecord();
    this.textEnd = 0;
    this.addresses = 0;
    this.exporterRank = 0;
    this.exporterPort = -1;
    this.exportTimeMs = -1;
    this.timestampMs = -1;
    this.userName = '';
    this.samplingInterval = 0;
    this.samplingOrigin = -1;
    this.step = this.layouts.start();
    flow.attachments.length = 0;
    flow.words[SLOT.samplingInterval] = 0;
    flow.words[SLOT.samplingOrigin] = 0;
    for (let i = 0; i < flow.names.length; i++) flow.names[i] = '';
    for (let i = 0; i < record.count; i++) {
      const number = record.keyNumbers[i]!;
      const target = number < 0 ? keys.ofName(record.keyNames[i]!) : keys.ofNumber(number);
      // The first of several counts, as ntopng has it.
      if (target.seenIn === this.serial) continue;
      target.seenIn = this.serial;
      this.take(record, i, target);
    }
    this.finish(from);
    this.output.write(flow);
  }

  /** Hands on a record that is no flow: an interface's counters, or a name of a value. */
  writePlain(recordType: 'counters' | 'options', value: PlainObject, from: ListenedOrigin): void {
    const { origin } = this.flow;
    const values = plainValues(value);
    const device = value['deviceIP'];
    const deviceAddress = typeof device === 'number' && isAddressNumber(device) ? formatIPv4(device) : device;
    if (recordType === 'counters' && typeof deviceAddress === 'string') values['deviceIP'] = deviceAddress;
    const exporter = [value['EXPORTER_IPV4_ADDRESS'], value['EXPORTER_IPV6_ADDRESS'], deviceAddress].find(isAddress);
    origin.serial++;
    origin.exporterAddress = exporter ?? from.address;
    origin.exporterPort = from.port;
    origin.exportTimeMs = from.arrivalMs;
    this.output.writeRecord({ recordType, origin, values, ianaValues: values });
  }

  private take(record: NtopngRecord, i: number, target: KeyTarget): void {
    switch (target.role) {
      case 'field':
        this.takeField(record, i, target);
        return;
      case 'element':
        this.takeElement(record, i, target);
        return;
      case 'exporterIPv4':
        this.takeExporter(record, i, 3);
        return;
      case 'exporterIPv6':
        this.takeExporter(record, i, 2);
        return;
      case 'probeAddress':
        this.takeExporter(record, i, 1);
        this.takeElement(record, i, target);
        return;
      case 'exporterPort':
        if (this.readNumber(record, i) && this.numberHigh === 0 && this.numberLow <= 0xffff)
          this.exporterPort = this.numberLow;
        return;
      case 'exportTime':
        if (this.readNumber(record, i) && this.numberHigh < 0x20_0000)
          this.exportTimeMs = this.numberHigh * 4294967296 + this.numberLow;
        return;
      case 'timestamp':
        this.timestampMs = timestampMs(record.plain(i));
        this.attach(target, record.plain(i));
        return;
      case 'user': {
        const value = record.plain(i);
        if (typeof value === 'string') this.userName = value;
        this.attach(target, value);
        return;
      }
      case 'agent': {
        const value = agentShape(target.ntop, record.plain(i));
        this.attach(target, value);
        for (const { field, value: inner } of agentValues(target.ntop, value)) this.fillFrom(field, inner);
        return;
      }
      case 'sampling':
        if (this.readNumber(record, i) && this.numberHigh === 0) this.samplingInterval = this.numberLow;
        return;
      case 'samplingOrigin':
        this.samplingOrigin = SAMPLING_ORIGINS.indexOf(record.plain(i) as SamplingOrigin);
        return;
      case 'ignored':
        return;
      default:
        this.attach(target, record.plain(i));
    }
  }

  private attach({ ntop, iana }: { readonly ntop: string; readonly iana: string }, value: PlainValue): void {
    if (value !== null) this.flow.attachments.push({ ntop, iana, value });
  }

  private takeField(record: NtopngRecord, i: number, target: KeyTarget): void {
    const fill = target.fill!;
    const isFilled = fill.seenIn === this.serial;
    if (isFilled && fill.seenRank <= target.rank) return;
    if (record.kinds[i] === VALUE_KINDS.plain && record.plains[i] === null) return;
    // A name that is not known.
    if (fill.type === 'name' && record.plain(i) === '') return;
    if (!this.fill(record, i, fill, target.unitMs)) {
      this.invalidValues++;
      if (target.spareKey === '' || fill.spareIn === this.serial) return;
      fill.spareIn = this.serial;
      this.attach({ ntop: target.spareKey, iana: target.spareKey }, record.plain(i));
      return;
    }
    fill.seenRank = target.rank;
    if (isFilled) return;
    fill.seenIn = this.serial;
    this.step = this.layouts.withField(this.step, fill);
  }

  /** Fills a field with a value that is no key's of its own, unless a key has. */
  private fillFrom(field: FieldName, value: string | number): void {
    const fill = this.keys.fills.get(field)!;
    if (fill.seenIn === this.serial) return;
    const { words } = this.flow;
    if (typeof value === 'number') {
      if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) return;
      words[fill.slot] = value;
    } else {
      const length = this.appendText(value);
      if (length < 0) return;
      words[fill.slot] = this.textEnd - length;
      words[fill.slot + 1] = length;
    }
    fill.seenIn = this.serial;
    fill.seenRank = Number.MAX_SAFE_INTEGER;
    this.step = this.layouts.withField(this.step, fill);
  }

  private fill(record: NtopngRecord, i: number, { field, type, slot, choices }: FieldFill, unitMs: number): boolean {
    const { flow } = this;
    const { words } = flow;
    switch (type) {
      case 'u8':
      case 'u16':
      case 'u32': {
        if (!this.readNumber(record, i)) return this.fillOddNumber(record, i, field, slot);
        if (this.numberHigh !== 0 || this.numberLow > (type === 'u8' ? 0xff : type === 'u16' ? 0xffff : 0xffff_ffff))
          return false;
        words[slot] = this.numberLow;
        return true;
      }
      case 'u64':
        if (!this.readNumber(record, i)) return false;
        words[slot] = this.numberHigh;
        words[slot + 1] = this.numberLow;
        return true;
      case 'time': {
        if (!this.readNumber(record, i)) return false;
        const value = (this.numberHigh * 4294967296 + this.numberLow) * unitMs;
        if (value > Number.MAX_SAFE_INTEGER) return false;
        flow.times[slot] = value;
        return true;
      }
      case 'duration': {
        const value = record.plain(i);
        if (typeof value !== 'number' || !(value >= 0) || value * 1000 > 0xffffffff) return false;
        words[slot] = Math.round(value * 1000);
        return true;
      }
      case 'ipv4': {
        const address = this.readIPv4(record, i);
        if (address < 0) return false;
        words[slot] = address;
        if (field === 'sourceIPv4' || field === 'destinationIPv4')
          this.addresses |= address === 0 ? HAS_IPV4 : HAS_IPV4 | IS_IPV4_SET;
        return true;
      }
      case 'ipv6': {
        const length = this.readText(record, i);
        const at = this.textEnd;
        if (length < 0 || !parseIPv6(this.bytes, at, length, ADDRESS, 0)) return false;
        this.bytes.set(ADDRESS, at);
        this.textEnd = at + 16;
        words[slot] = at;
        if (field === 'sourceIPv6' || field === 'destinationIPv6')
          this.addresses |= isZero(ADDRESS) ? HAS_IPV6 : HAS_IPV6 | IS_IPV6_SET;
        return true;
      }
      case 'mac': {
        const length = this.readText(record, i);
        const at = this.textEnd;
        if (length < 0 || !parseMac(this.bytes, at, length, this.bytes, at)) return false;
        this.textEnd = at + 6;
        words[slot] = at;
        return true;
      }
      case 'text': {
        const length = this.readText(record, i);
        if (length < 0) return false;
        words[slot] = this.textEnd;
        words[slot + 1] = length;
        this.textEnd += length;
        return true;
      }
      case 'application':
        return this.fillApplication(record, i, slot);
      case 'name': {
        const text = record.plain(i);
        if (typeof text !== 'string' || text === '' || text.length > MAX_NAME_OCTETS) return false;
        flow.names[slot] = text;
        return true;
      }
      case 'choice': {
        const index = choices.indexOf(String(record.plain(i)));
        if (index < 0) return false;
        words[slot] = index;
        return true;
      }
    }
  }

  /** Texts that stand for a number: reasons in words, nDPI's `master.application`. */
  private fillOddNumber(record: NtopngRecord, i: number, field: FieldName, slot: number): boolean {
    const text = record.plain(i);
    if (typeof text !== 'string') return false;
    const { words } = this.flow;
    if (field === 'flowEndReason') {
      const reason = FLOW_END_REASONS.indexOf(text.toLowerCase());
      if (reason <= 0) return false;
      words[slot] = reason;
      return true;
    }
    if (field !== 'l7Protocol') return false;
    const both = /^(\d{1,5})\.(\d{1,5})$/.exec(text);
    const [master, application] = [Number(both?.[1]), Number(both?.[2])];
    if (!(master <= 0xffff && application <= 0xffff)) return false;
    words[slot] = application;
    const target = this.keys.ofName('L7_MASTER_PROTO');
    if (target.seenIn !== this.serial) this.attach(target, master);
    target.seenIn = this.serial;
    return true;
  }

  /** `engine:selector`, or both as one number of 32 bits (RFC 6759 section 4). */
  private fillApplication(record: NtopngRecord, i: number, slot: number): boolean {
    const { bytes, view } = this;
    const { words } = this.flow;
    const at = this.textEnd;
    let length = 4;
    if (this.readNumber(record, i)) {
      if (this.numberHigh !== 0) return false;
      view.setUint32(at, this.numberLow);
    } else {
      const octets = this.readText(record, i);
      if (octets < 3 || octets > 32) return false;
      const colon = bytes.subarray(at, at + octets).indexOf(0x3a);
      const engine = colon < 0 ? -1 : parseDigits(bytes, at, colon);
      const selector = parseDigits(bytes, at + colon + 1, octets - colon - 1);
      if (engine < 0 || engine > 255 || selector < 0 || selector >= MAX_APPLICATION_SELECTOR) return false;
      length = selector < 2 ** 24 ? 4 : 7;
      bytes[at] = engine;
      for (let j = 1; j < length; j++) bytes[at + j] = Math.floor(selector / 2 ** (8 * (length - 1 - j))) & 0xff;
    }
    words[slot] = at;
    words[slot + 1] = length;
    this.textEnd = at + length;
    return true;
  }

  private takeElement(record: NtopngRecord, i: number, target: KeyTarget): void {
    const { bytes, view } = this;
    const at = this.textEnd;
    let value = UNSIGNED;
    let length = 0;
    if (at + 8 > MAX_TEXT_OCTETS) {
      this.invalidValues++;
      return;
    }
    switch (record.kinds[i]) {
      case VALUE_KINDS.unsigned:
      case VALUE_KINDS.negative: {
        const high = record.high[i]!;
        const low = record.low[i]!;
        if (record.kinds[i] === VALUE_KINDS.negative) value = SIGNED;
        else if (target.dataType === 'ipv4Address' && high === 0) value = IPV4;
        else if (target.dataType === 'boolean' && high === 0 && (low === 1 || low === 2)) value = BOOLEAN;
        if (value === BOOLEAN) {
          bytes[at] = low;
          length = 1;
        } else if (value !== SIGNED && high === 0) {
          view.setUint32(at, low);
          length = 4;
        } else {
          view.setUint32(at, high);
          view.setUint32(at + 4, low);
          length = 8;
        }
        break;
      }
      case VALUE_KINDS.float:
        value = FLOAT;
        view.setFloat64(at, record.floats[i]!);
        length = 8;
        break;
      case VALUE_KINDS.plain: {
        const plain = record.plains[i]!;
        if (typeof plain !== 'boolean') {
          this.attach(target, plain);
          return;
        }
        value = BOOLEAN;
        bytes[at] = plain ? 1 : 2;
        length = 1;
        break;
      }
      default: {
        length = this.readText(record, i);
        if (length < 0) {
          this.invalidValues++;
          return;
        }
        value = this.textValue(target.dataType, at, length);
        if (value === IPV4) length = 4;
        else if (value === IPV6) length = 16;
        else if (value === MAC) length = 6;
      }
    }
    const step = this.layouts.withElement(this.step, target, value);
    if (step === undefined) {
      this.invalidValues++;
      return;
    }
    this.step = step;
    this.flow.words[step.slot] = at;
    this.flow.words[step.slot + 1] = length;
    this.textEnd = at + length;
  }

  /** How the text at `at` is kept; an address takes its octets' place. */
  private textValue(dataType: string, at: number, length: number): number {
    const { bytes, view } = this;
    switch (dataType) {
      case 'ipv4Address': {
        const address = parseIPv4(bytes, at, length);
        if (address < 0) return STRING;
        view.setUint32(at, address);
        return IPV4;
      }
      case 'ipv6Address':
        if (!parseIPv6(bytes, at, length, ADDRESS, 0)) return STRING;
        bytes.set(ADDRESS, at);
        return IPV6;
      case 'macAddress':
        return parseMac(bytes, at, length, bytes, at) ? MAC : STRING;
      default:
        return STRING;
    }
  }

  private takeExporter(record: NtopngRecord, i: number, rank: number): void {
    if (rank <= this.exporterRank) return;
    const address = this.readIPv4(record, i);
    if (address === 0) return;
    if (address > 0) {
      if (address !== this.lastAddress) {
        this.lastAddress = address;
        this.lastAddressText = formatIPv4(address);
      }
      this.exporter = this.lastAddressText;
    } else {
      const length = this.readText(record, i);
      if (length < 0 || !parseIPv6(this.bytes, this.textEnd, length, ADDRESS, 0)) {
        this.invalidValues++;
        return;
      }
      if (isZero(ADDRESS)) return;
      this.exporter = formatIPv6(ADDRESS_VIEW, 0);
    }
    this.exporterRank = rank;
  }

  private finish(from: ListenedOrigin): void {
    const { flow, keys, layouts } = this;
    const { origin, words, names } = flow;
    const exporter = this.exporterRank > 0 ? this.exporter : from.address;
    const port = this.exporterPort >= 0 ? this.exporterPort : from.port;
    const exportTimeMs = this.exportTimeMs >= 0 ? this.exportTimeMs : from.arrivalMs;
    if (exporter !== origin.exporterAddress || port !== origin.exporterPort || exportTimeMs !== origin.exportTimeMs) {
      origin.serial++;
      origin.exporterAddress = exporter;
      origin.exporterPort = port;
      origin.exportTimeMs = exportTimeMs;
    }
    if (this.userName !== '') this.fillFrom('sourceProcessUserName', this.userName);
    if (this.samplingInterval > 0) this.finishSampling();
    if (this.timestampMs >= 0) {
      this.fillTime('startMs', this.timestampMs);
      this.fillTime('endMs', this.timestampMs);
    }
    // Probes have both in their Templates; the one that is not the flow's is all zeros.
    const { addresses } = this;
    if ((addresses & (HAS_IPV4 | HAS_IPV6)) === (HAS_IPV4 | HAS_IPV6)) {
      if ((addresses & IS_IPV6_SET) === 0) this.step = layouts.withoutAddresses(this.step, 6);
      else if ((addresses & IS_IPV4_SET) === 0) this.step = layouts.withoutAddresses(this.step, 4);
    }
    if (!this.names.isEmpty) {
      const ofExporter = this.names.interfacesOf(exporter);
      const { serial } = this;
      if (ofExporter !== undefined) {
        const input = keys.fills.get('inputInterface')!;
        const output = keys.fills.get('outputInterface')!;
        if (input.seenIn === serial && names[SLOT.inputInterfaceName] === '')
          names[SLOT.inputInterfaceName] = ofExporter.get(words[input.slot]!) ?? '';
        if (output.seenIn === serial && names[SLOT.outputInterfaceName] === '')
          names[SLOT.outputInterfaceName] = ofExporter.get(words[output.slot]!) ?? '';
      }
    }
    flow.layout = layouts.layoutOf(this.step);
  }

  private finishSampling(): void {
    const { samplingInterval, samplingOrigin, keys } = this;
    const { words } = this.flow;
    if (samplingOrigin <= 0) {
      this.attach({ ntop: PROBE_SAMPLING_KEY, iana: PROBE_SAMPLING_KEY }, samplingInterval);
      return;
    }
    words[SLOT.samplingInterval] = samplingInterval;
    words[SLOT.samplingOrigin] = samplingOrigin;
    this.step = this.layouts.withField(this.step, keys.fills.get('samplingInterval')!);
  }

  private fillTime(field: 'startMs' | 'endMs', value: number): void {
    const fill = this.keys.fills.get(field)!;
    if (fill.seenIn === this.serial) return;
    fill.seenIn = this.serial;
    this.flow.times[fill.slot] = value;
    this.step = this.layouts.withField(this.step, fill);
  }

  /** A whole number of up to 64 bits, also one written as text, into `numberHigh` and `numberLow`. */
  private readNumber(record: NtopngRecord, i: number): boolean {
    switch (record.kinds[i]) {
      case VALUE_KINDS.unsigned:
        this.numberHigh = record.high[i]!;
        this.numberLow = record.low[i]!;
        return true;
      case VALUE_KINDS.octets: {
        const digits = parseDigits(record.bytes, record.high[i]!, record.low[i]!);
        if (digits >= 0) return this.setNumber(digits);
        return record.low[i]! <= 20 && this.setBig(String(record.plain(i)));
      }
      case VALUE_KINDS.text:
        return record.texts[i]!.length <= 20 && this.setBig(record.texts[i]!);
      case VALUE_KINDS.float: {
        const value = record.floats[i]!;
        return Number.isInteger(value) && value >= 0 && value <= Number.MAX_SAFE_INTEGER && this.setNumber(value);
      }
      default:
        return false;
    }
  }

  private setNumber(value: number): true {
    this.numberHigh = Math.floor(value / 4294967296);
    this.numberLow = value - this.numberHigh * 4294967296;
    return true;
  }

  private setBig(text: string): boolean {
    if (!/^[0-9]+$/.test(text)) return false;
    const value = BigInt(text);
    if (value > 0xffff_ffff_ffff_ffffn) return false;
    this.numberHigh = Number(value >> 32n);
    this.numberLow = Number(value & 0xffff_ffffn);
    return true;
  }

  /** An address as text or as a number; -1 for none. */
  private readIPv4(record: NtopngRecord, i: number): number {
    switch (record.kinds[i]) {
      case VALUE_KINDS.unsigned:
        return record.high[i] === 0 ? record.low[i]! : -1;
      case VALUE_KINDS.octets:
        return parseIPv4(record.bytes, record.high[i]!, record.low[i]!);
      case VALUE_KINDS.text: {
        const length = this.readText(record, i);
        return length < 0 ? -1 : parseIPv4(this.bytes, this.textEnd, length);
      }
      default:
        return -1;
    }
  }

  /** Copies a text behind the last one that is kept and gives its octets; -1 where it is none, or there is no room. */
  private readText(record: NtopngRecord, i: number): number {
    switch (record.kinds[i]) {
      case VALUE_KINDS.octets: {
        const at = record.high[i]!;
        const length = record.low[i]!;
        if (length > MAX_TEXT_OCTETS - this.textEnd) return -1;
        const { bytes, textEnd } = this;
        const from = record.bytes;
        if (length > 64) bytes.set(from.subarray(at, at + length), textEnd);
        else for (let j = 0; j < length; j++) bytes[textEnd + j] = from[at + j]!;
        return length;
      }
      case VALUE_KINDS.text:
        return this.encode(record.texts[i]!);
      case VALUE_KINDS.unsigned:
      case VALUE_KINDS.negative:
      case VALUE_KINDS.float:
        return this.encode(String(record.plain(i)));
      default:
        return -1;
    }
  }

  private encode(text: string): number {
    const room = MAX_TEXT_OCTETS - this.textEnd;
    const { read, written } = encoder.encodeInto(text, this.bytes.subarray(this.textEnd, this.textEnd + room));
    return read === text.length ? written : -1;
  }

  /** Keeps a text and gives its octets, -1 where there is no room. */
  private appendText(text: string): number {
    const length = this.encode(text);
    if (length >= 0) this.textEnd += length;
    return length;
  }
}

/** Whether a value is the text of an address that is not all zeros. */
function isAddress(value: PlainValue | undefined): value is string {
  if (typeof value !== 'string' || value.length > 45) return false;
  const octets = encoder.encode(value);
  if (parseIPv4(octets, 0, octets.length) > 0) return true;
  return parseIPv6(octets, 0, octets.length, ADDRESS, 0) && !isZero(ADDRESS);
}

function isAddressNumber(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value <= 0xffff_ffff;
}

const ADDRESS = new Uint8Array(16);
const ADDRESS_VIEW = new DataView(ADDRESS.buffer);

function isZero(octets: Uint8Array): boolean {
  for (let i = 0; i < octets.length; i++) if (octets[i] !== 0) return false;
  return true;
}

/** Unix milliseconds of an agent's `seconds.microseconds`; -1 for anything else. */
function timestampMs(value: PlainValue): number {
  const parts = /^(\d{1,11})(?:\.(\d{1,9}))?$/.exec(String(value));
  if (parts === null) return -1;
  return Number(parts[1]) * 1000 + Number((parts[2] ?? '').padEnd(3, '0').slice(0, 3));
}
