import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type ToolLimits, type ToolOutcome, ToolShells } from '../../src/agent/tool-shell.ts';

describe('ToolShells', () => {
  let shells: ToolShells;

  afterEach(() => shells.close());

  async function run(
    words: readonly string[],
    limits: ToolLimits = { timeMs: 10_000 },
  ): Promise<ToolOutcome & { output: string }> {
    const pieces: Buffer[] = [];
    const outcome = await shells.run(words, limits, (octets) => pieces.push(Buffer.from(octets)));
    return { ...outcome, output: Buffer.concat(pieces).toString('latin1') };
  }

  const script = (text: string, ...words: string[]) => ['/bin/sh', '-c', text, 'script', ...words];

  it('hands on what a tool prints and how it ended, one tool after the other in one process', async () => {
    shells = new ToolShells();
    const parent = script('printf "%s" "$PPID"');
    const first = await run(parent);
    expect(first).toMatchObject({ code: 0, isTimedOut: false });
    expect(first.output).toMatch(/^\d+$/);
    expect((await run(parent)).output).toBe(first.output);
    expect(await run(script('echo one; echo two >&2; exit 3'))).toEqual({
      code: 3,
      isTimedOut: false,
      output: 'one\n',
    });
    expect(await run(['/nowhere/tool'])).toEqual({ code: 127, isTimedOut: false, output: '' });
    expect(await run(['cat'])).toEqual({ code: 0, isTimedOut: false, output: '' });
  });

  it('takes words as they are, but none of two lines', async () => {
    shells = new ToolShells();
    const words = ["it's", '$HOME `id` $(id) ;', '', '*', '\\', '"', "'; exit 9; '"];
    expect((await run(script('for word; do printf "%s|" "$word"; done', ...words))).output).toBe(`${words.join('|')}|`);
    expect(await run(['printf', 'a\nb'])).toEqual({ code: null, isTimedOut: false, output: '' });
  });

  it('hands on octets of every kind, in pieces, whatever they end with', async () => {
    shells = new ToolShells();
    const twice = ['sh', '-c', 'head -c 300000 "$0"; sleep 0.05; head -c 300000 "$0"', process.execPath];
    const expected = execFileSync('sh', ['-c', 'head -c 300000 "$0"; head -c 300000 "$0"', process.execPath]);
    expect((await run(twice)).output === expected.toString('latin1')).toBe(true);
    const likeATrailer = `\n${'0123456789abcdef'.repeat(2)} 000\n`;
    expect((await run(script(`printf '%s\\n' "$1"`, likeATrailer.slice(1, -1)))).output).toBe(likeATrailer.slice(1));
  });

  it('kills a tool that takes too long with all it started, and goes on', async () => {
    shells = new ToolShells();
    // The last octets may be how it ended: they are held back.
    const slow = await run(script('sleep 61.25 & printf "%s%60s" "$!" ""; wait'), { timeMs: 300 });
    expect(slow).toMatchObject({ code: null, isTimedOut: true });
    const pid = Number(slow.output);
    expect(pid).toBeGreaterThan(1);
    const isThere = () => existsSync(`/proc/${pid}/exe`);
    await expect.poll(isThere).toBe(false);
    expect((await run(['echo', 'again'])).output).toBe('again\n');
  });

  it('kills a tool that prints too much, and hands on no more than it may', async () => {
    shells = new ToolShells();
    const endless = await run(['yes'], { timeMs: 60_000, octets: 100_000 });
    expect(endless).toMatchObject({ code: null, isTimedOut: false });
    expect(endless.output.length).toBeLessThanOrEqual(100_000);
    expect(await run(['head', '-c', '1000', '/dev/zero'], { timeMs: 10_000, octets: 1000 })).toMatchObject({ code: 0 });
    expect(await run(['head', '-c', '1001', '/dev/zero'], { timeMs: 10_000, octets: 1000 })).toMatchObject({
      code: null,
    });
    expect((await run(['echo', 'again'])).output).toBe('again\n');
  });

  it('runs so many at a time, and others after them', async () => {
    shells = new ToolShells({ maxTools: 2 });
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => run(script('echo $PPID'))));
    expect(new Set(outcomes.map(({ output }) => output)).size).toBe(2);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
  });

  it('ends a tool when it is closed, and runs no more', async () => {
    shells = new ToolShells();
    const running = run(['sleep', '61.5']);
    await sleep(100);
    shells.close();
    expect(await running).toMatchObject({ code: null, isTimedOut: false });
    expect(await run(['echo'])).toMatchObject({ code: null });
  });

  it('says so where the shell is missing or dies', async () => {
    shells = new ToolShells({ shell: '/nowhere/sh' });
    expect(await run(['echo'])).toEqual({ code: null, isTimedOut: false, output: '' });
    expect(await run(['echo'])).toEqual({ code: null, isTimedOut: false, output: '' });
    shells.close();
    shells = new ToolShells();
    expect(await run(script('kill -9 $PPID'))).toMatchObject({ code: null, isTimedOut: false });
    expect((await run(['echo', 'again'])).output).toBe('again\n');
  });
});
