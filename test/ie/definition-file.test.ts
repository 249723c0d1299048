import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DefinitionError, loadDefinitionDirectory } from '../../src/ie/definition-file.ts';
import { loadBuiltInRegistry } from '../../src/ie/registry.ts';

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowrelay-definitions-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function write(name: string, content: unknown): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function messagesOf(path: string): Promise<readonly string[]> {
  try {
    await loadDefinitionDirectory(path);
  } catch (error) {
    expect(error).toBeInstanceOf(DefinitionError);
    expect((error as DefinitionError).message).toBe((error as DefinitionError).messages.join('\n'));
    return (error as DefinitionError).messages;
  }
  return [];
}

const GOOD = {
  title: 'Example',
  enterpriseNumber: 32473,
  source: 'test',
  elements: [{ id: 7, name: 'exampleText', type: 'string', aliases: ['EXAMPLE'], semantics: 'default', units: 'none' }],
};

describe('definitions of a user', () => {
  it('are read in the order of the file names, other files left alone', async () => {
    write('b.json', GOOD);
    write('a.json', { ...GOOD, title: 'First', enterpriseNumber: 32474 });
    write('notes.txt', 'not for us');
    const files = await loadDefinitionDirectory(directory);
    expect(files.map(({ title }) => title)).toEqual(['First', 'Example']);
    const registry = loadBuiltInRegistry().withDefinitions(files);
    expect(registry.find(32473, 7)).toMatchObject({ name: 'exampleText', type: 'string' });
    expect(registry.find(32474, 7)).toMatchObject({ name: 'exampleText', type: 'string' });
  });

  it('may use every key', async () => {
    write('all.json', { ...GOOD, netflow9Offset: 50000, netflow9Only: false, reverseOffset: 16384, scopes: [] });
    expect(await messagesOf(directory)).toEqual([]);
  });

  it('errors name file, path and value, one line each, all files at once', async () => {
    const first = write('a.json', {
      enterpriseNumber: -1,
      source: 'test',
      elements: [
        { id: 1, name: 'fine', type: 'string' },
        { id: 70000, name: 'not fine', type: 'uint8', unit: 'octets' },
      ],
    });
    const second = write('b.json', '{"title": x\n}');
    const third = write('c.json', [1]);
    const messages = await messagesOf(directory);
    expect(messages).toHaveLength(8);
    expect(messages).toContain(`${first}: /: lacks property "title"`);
    expect(messages).toContain(`${first}: /enterpriseNumber: must be >= 0 (found -1)`);
    expect(messages).toContain(`${first}: /elements/1/id: must be <= 65535 (found 70000)`);
    expect(messages).toContain(`${first}: /elements/1: has an unknown property "unit"`);
    expect(messages.find((line) => line.includes('/elements/1/name: must match pattern'))).toContain('"not fine"');
    const typeLine = messages.find((line) => line.startsWith(`${first}: /elements/1/type: must be equal to one of`));
    expect(typeLine).toContain('octetArray, unsigned8,');
    expect(typeLine).toContain('(found "uint8")');
    expect(messages.filter((line) => line.startsWith(`${second}: `))).toHaveLength(1);
    expect(messages).toContain(`${third}: /: must be object (found [1])`);
    for (const line of messages) expect(line).not.toContain('\n');
  });

  it('errors show no more than the start of a long value', async () => {
    write('a.json', { ...GOOD, elements: 'x'.repeat(5000) });
    const [message] = await messagesOf(directory);
    expect(message).toContain('xxx…');
    expect(message?.length).toBeLessThan(300);
  });

  it('have one element per number and per name', async () => {
    const path = write('a.json', {
      ...GOOD,
      elements: [
        { id: 1, name: 'one', type: 'string' },
        { id: 1, name: 'two', type: 'string' },
        { id: 3, name: 'two', type: 'string' },
      ],
    });
    const later = write('b.json', { ...GOOD, elements: [{ id: 3, name: 'three', type: 'string' }] });
    expect(await messagesOf(directory)).toEqual([
      `${path}: /elements/1/id: element 1 of enterprise 32473 is defined already in ${path} (found 1)`,
      `${path}: /elements/2/name: is in this file already (found "two")`,
      `${later}: /elements/0/id: element 3 of enterprise 32473 is defined already in ${path} (found 3)`,
    ]);
  });

  it('may have NetFlow version 9 field types beside IANA elements, and only those over 32767', async () => {
    const elements = [{ id: 40001, name: 'mine', type: 'string' }];
    write('a.json', { ...GOOD, enterpriseNumber: 0, netflow9Only: true, elements });
    expect(await messagesOf(directory)).toEqual([]);
    const path = write('b.json', { ...GOOD, enterpriseNumber: 0, elements });
    expect(await messagesOf(directory)).toEqual([
      `${path}: /elements/0/id: must be <= 32767 unless the file is netflow9Only (found 40001)`,
    ]);
  });

  it('must be there', async () => {
    expect(await messagesOf(directory)).toEqual([`${directory}: has no *.json file`]);
    const missing = join(directory, 'missing');
    const [message] = await messagesOf(missing);
    expect(message).toContain(`${missing}: cannot be read: ENOENT`);
  });

  it('a folder named like a file is an error, not an exception of another kind', async () => {
    mkdirSync(join(directory, 'folder.json'));
    const [message] = await messagesOf(directory);
    expect(message).toContain('folder.json: EISDIR');
  });
});
