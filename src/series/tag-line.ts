import { writeInteger, writeIPv4Word, writeIPv6 } from '../bytes/digits.ts';
import type { SeriesTable } from './series-table.ts';
import { MAX_TAG_OCTETS, type TagText } from './tag-text.ts';

const AT_SIGN = 0x40;
const OTHER = Buffer.from('other');

/** Name of a tag as it stands in a line, with its comma and equals sign. */
export function tagName(name: string): Uint8Array {
  return Buffer.from(`,${name}=`);
}

/** Tags of one row, put together when it is made. */
export class TagLine {
  /** The tags, from 0 on. */
  readonly octets = new Uint8Array(16 * MAX_TAG_OCTETS);
  /** Where they end. */
  length = 0;
  private readonly view = new DataView(this.octets.buffer);
  private readonly ifid: Uint8Array;

  /** `ifid` is the value of the tag of that name. */
  constructor(ifid: TagText) {
    const octets = new Uint8Array(2 * MAX_TAG_OCTETS);
    const name = tagName('ifid');
    const end = ifid.writeTo(octets, 0);
    this.ifid = Buffer.concat([name, octets.subarray(0, end)]);
  }

  /** Begins with `ifid`. */
  start(): this {
    this.octets.set(this.ifid, 0);
    this.length = this.ifid.length;
    return this;
  }

  /** Begins without `ifid`. */
  startEmpty(): this {
    this.length = 0;
    return this;
  }

  /** Begins with the tags of another row. */
  startWith({ tags }: SeriesTable, row: number): this {
    const at = tags.startOf(row);
    this.length = tags.lengthOf(row);
    this.octets.set(tags.octets.subarray(at, at + this.length), 0);
    return this;
  }

  /** A tag with any text. */
  text(name: Uint8Array, text: TagText): this {
    this.name(name);
    this.length = text.writeTo(this.octets, this.length);
    return this;
  }

  /** A tag with octets that need no escapes. */
  plain(name: Uint8Array, octets: Uint8Array): this {
    this.name(name);
    this.octets.set(octets, this.length);
    this.length += octets.length;
    return this;
  }

  /** A tag with a whole number. */
  number(name: Uint8Array, value: number): this {
    this.name(name);
    this.length = writeInteger(this.view, this.length, value);
    return this;
  }

  /** A tag with the IPv4 address in a word. */
  ipv4(name: Uint8Array, words: Uint32Array, slot: number): this {
    this.name(name);
    this.length = writeIPv4Word(this.view, this.length, words, slot);
    return this;
  }

  /** A tag with the IPv6 address in 16 octets. */
  ipv6(name: Uint8Array, view: DataView, at: number): this {
    this.name(name);
    this.length = writeIPv6(this.view, this.length, view, at);
    return this;
  }

  /** Puts `@vlan` behind the last tag, as ntopng has it, unless there is none. */
  vlan(vlan: number): this {
    if (vlan === 0) return this;
    this.octets[this.length++] = AT_SIGN;
    this.length = writeInteger(this.view, this.length, vlan);
    return this;
  }

  /** Makes a row of `table` with these tags. */
  addTo(table: SeriesTable, first: number, second: number): number {
    return table.add(first, second, this.octets, this.length);
  }

  /** The row of what is over the limit: all tags but `ifid` are `other`. */
  otherOf(table: SeriesTable, names: readonly Uint8Array[]): number {
    if (table.otherRow < 0) {
      this.start();
      for (const name of names) this.plain(name, OTHER);
      table.addOther(this.octets, this.length);
    }
    return table.otherRow;
  }

  private name(name: Uint8Array): void {
    this.octets.set(name, this.length);
    this.length += name.length;
  }
}
