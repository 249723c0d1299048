import type { PlainValue } from '../flow/flow.ts';
import type { ListenFault } from '../metrics/listen-counters.ts';

/** Objects and arrays within each other; agents' records have three. */
const MAX_DEPTH = 32;
/** Digits of an integer that is kept as a number; a longer one becomes a text. */
const MAX_INTEGER_DIGITS = 40;
/** Keys whose values are paths of files. */
const PATH_KEYS: ReadonlySet<string> = new Set(['PROCESS_PATH']);

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** What an agent's log puts before a record: `9/Apr/2019 12:09:54 [EBPF.cpp:178] [eBPF] `. */
const LOG_PREFIX = /^\s*\d+\/\w+\/\d+ [\d:]+(?: \[[^\]\n]*\])+\s*(?=\{)/;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;

/**
 * Reads JSON values (RFC 8259) one after the other, with every digit of their integers. It takes what ntop's agents print
 * besides: line breaks within a text (left out, with the blanks around them), escapes that are none (kept as they are), and
 * paths whose slashes were lost behind their backslashes (`\usr\bin` is `/usr/bin`).
 */
export class LenientJson {
  /** Why the text ended early, or undefined. */
  fault: ListenFault | undefined;
  private text = '';
  private pos = 0;

  /** Begins with a text. */
  start(text: string): void {
    this.text = text;
    this.fault = undefined;
    const first = text.charCodeAt(0);
    this.pos = first >= 0x30 && first <= 0x39 ? (LOG_PREFIX.exec(text)?.[0].length ?? 0) : 0;
  }

  /** The next value, or undefined at the end or at a {@link LenientJson.fault}. */
  next(): PlainValue | undefined {
    this.skipBlanks();
    if (this.pos >= this.text.length) return undefined;
    const value = this.value(0, false);
    if (value === undefined) this.pos = this.text.length;
    return value;
  }

  private value(depth: number, isPath: boolean): PlainValue | undefined {
    switch (this.text.charCodeAt(this.pos)) {
      case OPENING_BRACE:
        return this.object(depth + 1);
      case OPENING_BRACKET:
        return this.array(depth + 1);
      case QUOTE:
        return this.string(isPath);
      default:
        return this.literal();
    }
  }

  private object(depth: number): PlainValue | undefined {
    if (depth > MAX_DEPTH) return this.fail('json_too_deep');
    const object: Record<string, PlainValue> = {};
    this.pos++;
    if (this.skipTo(CLOSING_BRACE)) return object;
    for (;;) {
      this.skipBlanks();
      if (this.text.charCodeAt(this.pos) !== QUOTE) return this.fail('json_invalid');
      const key = this.string(false);
      if (key === undefined) return undefined;
      if (!this.skipTo(COLON)) return this.fail('json_invalid');
      this.skipBlanks();
      const value = this.value(depth, PATH_KEYS.has(key));
      if (value === undefined) return undefined;
      // Assignment would not make a key of this name.
      if (key === '__proto__')
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      else object[key] = value;
      if (this.skipTo(COMMA)) continue;
      return this.skipTo(CLOSING_BRACE) ? object : this.fail('json_invalid');
    }
  }

  private array(depth: number): PlainValue | undefined {
    if (depth > MAX_DEPTH) return this.fail('json_too_deep');
    const items: PlainValue[] = [];
    this.pos++;
    if (this.skipTo(CLOSING_BRACKET)) return items;
    for (;;) {
      this.skipBlanks();
      const value = this.value(depth, false);
      if (value === undefined) return undefined;
      items.push(value);
      if (this.skipTo(COMMA)) continue;
      return this.skipTo(CLOSING_BRACKET) ? items : this.fail('json_invalid');
    }
  }

  private string(isPath: boolean): string | undefined {
    const { text } = this;
    const start = this.pos + 1;
    for (let i = start; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === QUOTE) {
        this.pos = i + 1;
        return text.slice(start, i);
      }
      if (code === BACKSLASH || code < SPACE) return this.unusualString(start, i, isPath);
    }
    return this.fail('json_invalid');
  }

  /** A text with escapes or line breaks, the first of them at `first`. */
  private unusualString(start: number, first: number, isPath: boolean): string | undefined {
    const { text } = this;
    const lostSlashes = isPath && first === start && isLostSlash(text, first);
    let out = text.slice(start, first).trimEnd();
    // Not known yet whether a line break follows them.
    let blanks = text.slice(start + out.length, first);
    for (let i = first; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === QUOTE) {
        this.pos = i + 1;
        return out + blanks;
      }
      if (code === LINE_FEED || code === CARRIAGE_RETURN) {
        blanks = '';
        while (isBlank(text.charCodeAt(i + 1))) i++;
        continue;
      }
      if (code === SPACE || code === TAB) {
        blanks += text[i];
        continue;
      }
      out += blanks;
      blanks = '';
      if (code !== BACKSLASH) {
        out += text[i];
        continue;
      }
      if (lostSlashes && isLostSlash(text, i)) {
        out += '/';
        continue;
      }
      const next = text[i + 1] ?? '';
      const escaped = ESCAPES.get(next);
      if (escaped !== undefined) {
        out += escaped;
        i++;
      } else if (next === 'u' && /^[0-9A-Fa-f]{4}$/.test(text.slice(i + 2, i + 6))) {
        out += String.fromCharCode(Number.parseInt(text.slice(i + 2, i + 6), 16));
        i += 5;
      } else {
        out += '\\';
      }
    }
    return this.fail('json_invalid');
  }

  private literal(): PlainValue | undefined {
    const { text, pos } = this;
    NUMBER.lastIndex = pos;
    const number = NUMBER.exec(text);
    if (number !== null) {
      const [digits, fraction, exponent] = number;
      this.pos = pos + digits.length;
      if (fraction === undefined && exponent === undefined) {
        if (digits.length <= 15) return Number(digits);
        if (digits.length > MAX_INTEGER_DIGITS) return digits;
        const value = BigInt(digits);
        return value <= MAX_SAFE && value >= -MAX_SAFE ? Number(value) : value;
      }
      const value = Number(digits);
      // Beyond a double's range: the text tells it still.
      return Number.isFinite(value) ? value : digits;
    }
    for (const [word, value] of LITERALS) {
      if (!text.startsWith(word, pos)) continue;
      this.pos = pos + word.length;
      return value;
    }
    return this.fail('json_invalid');
  }

  /** Moves past blanks and then, if it is there, past `code`. */
  private skipTo(code: number): boolean {
    this.skipBlanks();
    if (this.text.charCodeAt(this.pos) !== code) return false;
    this.pos++;
    return true;
  }

  private skipBlanks(): void {
    const { text } = this;
    while (isBlank(text.charCodeAt(this.pos))) this.pos++;
  }

  private fail(fault: ListenFault): undefined {
    this.fault = fault;
    return undefined;
  }
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);
const LITERALS: readonly (readonly [string, PlainValue])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

/** Whether the backslash at `at` stands for a slash: neither an escaped one nor an escape of four digits follows. */
function isLostSlash(text: string, at: number): boolean {
  return !/^(?:["\\/]|u[0-9A-Fa-f]{4})/.test(text.slice(at + 1, at + 6));
}

function isBlank(code: number): boolean {
  return code === SPACE || code === LINE_FEED || code === CARRIAGE_RETURN || code === TAB;
}
