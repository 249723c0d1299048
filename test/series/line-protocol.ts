/** InfluxDB line protocol as its specification describes it, read with no regard to what writes it. */

/** A point. */
export interface Point {
  readonly measurement: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, number>>;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
}

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** All points of some lines. Throws on what is no line protocol, or has fields that are no floats. */
export function readPoints(octets: Uint8Array): Point[] {
  const text = STRICT.decode(octets);
  if (text === '') return [];
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  return text.slice(0, -1).split('\n').map(readPoint);
}

function readPoint(line: string): Point {
  if (/[\u0000-\u001f\u007f-\u009f]/.test(line)) throw new Error(`control characters: ${JSON.stringify(line)}`);
  if (Buffer.byteLength(line) > 64 * 1024) throw new Error('line too long');
  const [head = '', fieldText = '', timeText = '', ...rest] = splitAt(line, ' ');
  if (rest.length > 0 || !/^-?\d{1,19}$/.test(timeText)) throw new Error(`no point: ${line}`);
  const [measurement = '', ...tagTexts] = splitAt(head, ',');
  if (measurement === '') throw new Error(`no measurement: ${line}`);
  const tags: Record<string, string> = {};
  for (const tag of tagTexts) {
    const [key = '', value = '', ...more] = splitAt(tag, '=');
    if (key === '' || value === '' || more.length > 0) throw new Error(`no tag: ${JSON.stringify(tag)} of ${line}`);
    if (value.endsWith('\\')) throw new Error(`a backslash at the end of a tag: ${line}`);
    if (withoutEscapes(key) in tags) throw new Error(`tag twice: ${line}`);
    tags[withoutEscapes(key)] = withoutEscapes(value);
  }
  const fields: Record<string, number> = {};
  for (const field of splitAt(fieldText, ',')) {
    const [key = '', value = '', ...more] = splitAt(field, '=');
    if (key === '' || more.length > 0 || !/^-?\d+(\.\d+)?$/.test(value))
      throw new Error(`no float: ${field} of ${line}`);
    if (key in fields) throw new Error(`field twice: ${line}`);
    fields[withoutEscapes(key)] = Number(value);
  }
  return { measurement: withoutEscapes(measurement), tags, fields, time: BigInt(timeText) };
}

/** Parts between separators that have no backslash before them. */
function splitAt(text: string, separator: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let i = 0; i < text.length; i++) {
    if (text[i] === separator && text[i - 1] !== '\\') {
      parts.push(part);
      part = '';
    } else part += text[i];
  }
  return [...parts, part];
}

function withoutEscapes(text: string): string {
  return text.replace(/\\([,= ])/g, '$1');
}
