import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../src');

/** Which folders of src a folder may import from, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  bytes: [],
  flow: ['bytes'],
  metrics: ['bytes'],
  config: ['bytes'],
  ie: ['bytes'],
  decode: ['bytes', 'flow', 'metrics'],
  packet: ['bytes', 'metrics'],
  normalize: ['decode', 'packet', 'ie', 'flow', 'bytes'],
  input: ['bytes', 'metrics', 'packet'],
  meter: ['packet', 'flow', 'bytes', 'metrics'],
  agent: ['bytes', 'flow', 'metrics'],
  series: ['bytes', 'flow', 'metrics'],
  sink: ['flow', 'ie', 'bytes', 'metrics'],
  pipeline: [
    'bytes',
    'flow',
    'metrics',
    'config',
    'ie',
    'decode',
    'packet',
    'normalize',
    'meter',
    'agent',
    'input',
    'series',
    'sink',
  ],
  cli: ['config', 'flow', 'pipeline'],
  'main.ts': ['cli', 'config', 'pipeline'],
};

const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path, folder: path.split('/')[0]!, text: readFileSync(join(SRC, path), 'utf8') }));

function importsOf(text: string): string[] {
  const statements = text.matchAll(/^(?:import|export)\b[^'"]*?\bfrom '([^']+)'/gm);
  const calls = withoutComments(text).matchAll(/(?:import|require|createRequire\(import\.meta\.url\))\('([^']+)'\)/g);
  return [...statements, ...calls].map(([, specifier]) => specifier!);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

describe('architecture', () => {
  it('has only the folders of the table', () => {
    expect([...new Set(FILES.map(({ folder }) => folder))].filter((folder) => !(folder in MAY_IMPORT))).toEqual([]);
  });

  it('imports between folders only as the table allows', () => {
    const wrong = FILES.flatMap(({ path, folder, text }) =>
      importsOf(text)
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => relative(SRC, resolve(SRC, dirname(path), specifier)).split('/')[0]!)
        .filter((target) => target !== folder && !(MAY_IMPORT[folder] ?? []).includes(target))
        .map((target) => `${path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('uses no package but those it declares', () => {
    const allowed = new Set(['@influxdata', 'ajv', 'pcap', 'yargs', 'zeromq']);
    const used = FILES.flatMap(({ text }) => importsOf(text)).filter(
      (name) => !name.startsWith('.') && !name.startsWith('node:'),
    );
    expect([...new Set(used.map((name) => name.split('/')[0]!))].filter((name) => !allowed.has(name))).toEqual([]);
  });

  it('throws nothing while decoding', () => {
    const throwing = FILES.filter(({ folder }) => ['decode', 'packet'].includes(folder))
      .filter(({ text }) => /\bthrow\b/.test(withoutComments(text)))
      .map(({ path }) => path);
    expect(throwing).toEqual([]);
  });

  it('prints and serialises only where that is the purpose', () => {
    const printing = FILES.filter(({ folder }) => ['decode', 'packet', 'normalize', 'bytes'].includes(folder))
      .filter(
        ({ path, text }) =>
          /\bconsole\./.test(withoutComments(text)) ||
          (/JSON\.stringify/.test(withoutComments(text)) && path !== 'bytes/json-text.ts'),
      )
      .map(({ path }) => path);
    expect(printing).toEqual([]);
  });
});
