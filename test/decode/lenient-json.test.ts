import { describe, expect, it } from 'vitest';
import { LenientJson } from '../../src/decode/lenient-json.ts';
import type { PlainValue } from '../../src/flow/flow.ts';
import { Random } from '../support/random.ts';

const json = new LenientJson();

function values(text: string): PlainValue[] {
  json.start(text);
  const found: PlainValue[] = [];
  for (let value = json.next(); value !== undefined; value = json.next()) found.push(value);
  return found;
}

describe('JSON as agents print it', () => {
  it('reads RFC 8259 as JSON.parse does', () => {
    const random = new Random(3);
    const make = (depth: number): unknown => {
      switch (random.below(depth > 3 ? 5 : 7)) {
        case 0:
          return random.below(2 ** 31) - 1000;
        case 1:
          return (random.u32() - 2 ** 31) / 1024;
        case 2:
          return Array.from({ length: random.below(6) }, () =>
            random.pick(['a', '"', '\\', '\n', '\t', '/', 'é', '😀', '\u0001']),
          ).join('');
        case 3:
          return random.pick([true, false, null]);
        case 4:
          return random.below(10);
        case 5:
          return Array.from({ length: random.below(4) }, () => make(depth + 1));
        default:
          return Object.fromEntries(Array.from({ length: random.below(4) }, (_, i) => [`k${i}"`, make(depth + 1)]));
      }
    };
    for (let i = 0; i < 2000; i++) {
      const text = JSON.stringify(make(0), undefined, random.below(3));
      expect(values(text)).toEqual([JSON.parse(text)]);
      expect(json.fault).toBeUndefined();
    }
  });

  it('keeps every digit of an integer', () => {
    expect(values('[9007199254740991,9007199254740993,18446744073709551615,-9223372036854775808]')).toEqual([
      [9007199254740991, 9007199254740993n, 18446744073709551615n, -9223372036854775808n],
    ]);
    expect(values(`[${'9'.repeat(50)},1e999,4.1440]`)).toEqual([['9'.repeat(50), '1e999', 4.144]]);
  });

  it('finds slashes that were lost behind backslashes, in paths alone', () => {
    expect(values(String.raw`{"PROCESS_PATH":"\usr\bin\influxd","OTHER":"\usr","b":"\bin"}`)).toEqual([
      { PROCESS_PATH: '/usr/bin/influxd', OTHER: String.raw`\usr`, b: '\bin' },
    ]);
    expect(values(String.raw`{"PROCESS_PATH":"\bin\tcsh"}`)).toEqual([{ PROCESS_PATH: '/bin/tcsh' }]);
    expect(values(String.raw`{"PROCESS_PATH":"\/usr\/a\tb"}`)).toEqual([{ PROCESS_PATH: '/usr/a\tb' }]);
  });

  it('joins what a page broke', () => {
    expect(values('{"PROCESS_PATH": "\\lib\\systemd\\  \n  systemd", \n"a":"b \t c "}')).toEqual([
      { PROCESS_PATH: '/lib/systemd/systemd', a: 'b \t c ' },
    ]);
  });

  it('skips what a log puts before a record', () => {
    expect(values('9/Apr/2019 12:09:54 [EBPF.cpp:178] [eBPF] { "a": 1 }')).toEqual([{ a: 1 }]);
    expect(values('12')).toEqual([12]);
  });

  it('reads one value after the other', () => {
    expect(values('{"a":1}\n{"a":2}\n')).toEqual([{ a: 1 }, { a: 2 }]);
  });

  it('makes own properties of any key', () => {
    const [value] = values('{"__proto__":{"a":1},"constructor":2}');
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });

  it.each(['{', '{"a"', '{"a":', '{"a":1', '[1,', '"a', 'nul', '{a:1}', '[1 2]', '{"a":1,}', '\\', '-', '{"a":"\\'])(
    'says that %s is none',
    (text) => {
      expect(values(text)).toEqual([]);
      expect(json.fault).toBe('json_invalid');
    },
  );

  it('does not go deeper than anybody needs', () => {
    values('['.repeat(100_000));
    expect(json.fault).toBe('json_too_deep');
    values('{"a":'.repeat(100_000));
    expect(json.fault).toBe('json_too_deep');
  });

  it('reads a megabyte of anything in time that grows with its length', () => {
    for (const piece of ['a \n', ' ', '\\', '\\u12', '"\\"', '1', '{"', '9/9/9 [', 'x']) {
      const text = piece.repeat(Math.floor(1_000_000 / piece.length));
      const start = process.cpuUsage();
      for (const head of ['', '"', '{"PROCESS_PATH":"\\', '9/Apr/2019 12:09:54']) values(head + text);
      expect(process.cpuUsage(start).user, JSON.stringify(piece)).toBeLessThan(1_500_000);
    }
  });
});
