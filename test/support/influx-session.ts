/** The `influx` command line on a terminal, as a user types at it. */

import { spawn } from 'node:child_process';
import type { InfluxServer } from './influxdb.ts';

/** What `influx` answers to each line typed at it, without the prompt, as lines of text. */
export async function typeAtInflux(server: InfluxServer, lines: readonly string[]): Promise<string[][]> {
  const command = `influx -host 127.0.0.1 -port ${server.port} -precision rfc3339`;
  // Only `script` gives it a terminal, without which it takes one statement alone; a plain one, so that the terminal alone echoes.
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...process.env, HOME: server.folder, TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const typed = [...lines, 'exit'];
  const answers: string[] = [];
  let text = '';
  child.stdout.on('data', (part: Buffer) => {
    text += part.toString().replaceAll('\r', '');
    // Each line is typed at a prompt, as by hand: what is typed earlier may be echoed anywhere.
    const prompt = text.indexOf('\n> ');
    if (prompt < 0 || answers.length === typed.length) return;
    answers.push(text.slice(0, prompt));
    text = text.slice(prompt + 3);
    child.stdin.write(`${typed[answers.length - 1]}\n`);
  });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`influx ended with ${code}: ${answers.join('\n> ')}\n> ${text}`);
  // The greeting stands before the first prompt, and what was typed before its answer.
  return answers.slice(1).map((answer) =>
    answer
      .split('\n')
      .slice(1)
      .filter((line) => line !== ''),
  );
}
