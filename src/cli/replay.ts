import { ConfigurationError } from '../config/load-configuration.ts';
import { parseHostPort } from '../pipeline/listen-url.ts';
import { replay } from '../pipeline/replay.ts';
import { sayLine } from './plain-line.ts';
import { stopOnSignals } from './signals.ts';

/** Flags of `replay` as yargs gives them. */
export interface ReplayFlags {
  readonly file: string;
  readonly to: unknown;
  readonly speed: unknown;
  readonly rate: unknown;
  readonly loop: unknown;
  readonly rewriteTime: unknown;
  readonly ports: readonly number[];
}

/** Runs `replay` and gives its exit code. */
export async function runReplay(flags: ReplayFlags): Promise<number> {
  const problems: string[] = [];
  const to = String(flags.to);
  const { address, port } = parseHostPort(to);
  if (!/^(\[[0-9A-Fa-f:.%\w]+\]|[^:/[\]]+):[0-9]{1,5}$/.test(to) || port < 1 || port > 65535)
    problems.push(`--to: must be HOST:PORT, not ${JSON.stringify(to)}`);
  const speed = positive('--speed', flags.speed, 1, problems);
  const rate = flags.rate === undefined ? undefined : positive('--rate', flags.rate, 1, problems);
  const loops = positive('--loop', flags.loop, 1, problems);
  if (flags.rate !== undefined && flags.speed !== undefined)
    problems.push('--rate: cannot be given together with --speed');
  if (problems.length > 0) throw new ConfigurationError(problems);

  const stop = stopOnSignals();
  const summary = await replay(
    {
      file: flags.file,
      address,
      port,
      ports: flags.ports,
      speed,
      rate,
      rewriteTime: flags.rewriteTime === true,
      loops,
    },
    stop.signal,
  );
  if (summary.problem !== undefined) sayLine(summary.problem);
  if (summary.firstError !== undefined) sayLine(`${to}: ${summary.firstError}`);
  const failed = summary.failed > 0 ? `, ${summary.failed} failed` : '';
  sayLine(
    `${summary.sent} datagrams (${summary.octets} octets) sent to ${to} in ${summary.seconds.toFixed(1)} s${failed}`,
  );
  if (stop.signal.aborted) return stop.exitCode();
  return summary.problem === undefined && summary.failed === 0 && summary.sent > 0 ? 0 : 1;
}

function positive(name: string, value: unknown, byDefault: number, problems: string[]): number {
  if (value === undefined) return byDefault;
  const number = Number(value);
  if (String(value).trim() !== '' && number > 0) return number;
  problems.push(`${name}: must be a number above 0, not ${JSON.stringify(value)}`);
  return byDefault;
}
