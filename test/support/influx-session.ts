/** The `influx` command line on a terminal, as a user types at it. */

import { spawn } from 'node:child_process';
import type { InfluxServer } from './influxdb.ts';

/** What `influx` answers to each line typed at it, without the prompt, as lines of text. */
export async function typeAtInflux(server: InfluxServer, lines: readonly string[]): Promise<string[][]> {
  const command = `influx -host 127.0.0.1 -port ${server.port} -precision rfc3339`;
  // Only `script` gives it a terminal, without which it takes one statement alone.
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...process.env, HOME: server.folder },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const parts: Buffer[] = [];
  child.stdout.on('data', (part: Buffer) => parts.push(part));
  child.stdin.end([...lines, 'exit', ''].join('\n'));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const text = Buffer.concat(parts).toString().replaceAll('\r', '');
  if (code !== 0) throw new Error(`influx ended with ${code}: ${text}`);
  // What is typed is echoed before the greeting, and the first prompt stands behind that.
  const [, ...answers] = text.slice(text.indexOf('InfluxDB shell version')).split('\n> ');
  return answers.slice(0, lines.length).map((answer) => answer.split('\n').filter((line) => line !== ''));
}
