import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { StateFile } from '../../src/pipeline/state-file.ts';

function newDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'flowrelay-'));
}

it('makes its directory, and gives back what was saved last', async () => {
  const file = new StateFile(join(newDirectory(), 'a/b'));
  expect(file.read()).toBeUndefined();
  await Promise.all([file.save('first'), file.save('second'), file.save('third')]);
  expect(file.read()).toBe('third');
});

it('never shows a half-written file, whenever it is read', async () => {
  const file = new StateFile(newDirectory());
  const texts = ['a'.repeat(2_000_000), 'b'.repeat(1_000_000)];
  await file.save(texts[0] ?? '');
  let isDone = false;
  const saves = Promise.all(Array.from({ length: 10 }, (_, i) => file.save(texts[i % 2] ?? ''))).then(() => {
    isDone = true;
  });
  let reads = 0;
  while (!isDone) {
    const text = file.read();
    expect(text === texts[0] || text === texts[1]).toBe(true);
    reads++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await saves;
  expect(reads).toBeGreaterThan(5);
  expect(readdirSync(join(file.path, '..'))).toEqual(['state.json']);
});

it('leaves the old file whole where a new one cannot be written', async () => {
  const directory = newDirectory();
  const file = new StateFile(directory);
  await file.save('old');
  // A directory in the way of the temporary file: permissions do not stop root.
  mkdirSync(`${file.path}.new`);
  await expect(file.save('new')).rejects.toThrow('EISDIR');
  expect(readFileSync(file.path, 'utf8')).toBe('old');
});

it('says in one line that the directory cannot be used', () => {
  const directory = newDirectory();
  writeFileSync(join(directory, 'file'), '');
  expect(() => new StateFile(join(directory, 'file/state'))).toThrow(
    /^cannot use state directory .*file\/state: ENOTDIR/,
  );
});
