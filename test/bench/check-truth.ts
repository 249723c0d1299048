import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * Runs a command that prints JSON lines and compares each flow with the line of the truth that has the same place: every value
 * the truth names. Returns the number of flows compared; throws at the first that differs.
 */
export async function checkTruth(command: readonly string[], truthPath: string): Promise<number> {
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const printed = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let compared = 0;
  for await (const line of createInterface({ input: createReadStream(truthPath) })) {
    const { value, done } = await printed.next();
    if (done === true) throw new Error(`${compared} flows printed, more were sent`);
    const flow = JSON.parse(value) as Record<string, unknown>;
    for (const [key, expected] of Object.entries(JSON.parse(line) as Record<string, unknown>)) {
      if (flow[key] !== expected)
        throw new Error(`flow ${compared}: ${key} is ${String(flow[key])}, sent was ${String(expected)}`);
    }
    compared++;
  }
  const { done } = await printed.next();
  if (done !== true) throw new Error(`more than the ${compared} flows sent were printed`);
  return compared;
}
