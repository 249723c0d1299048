import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, repositoryPath, runProgram } from '../support/program.ts';

const CAPTURE = repositoryPath('fixtures/softflowd-netflow9/input.pcap');
/** Flows and options records in it, counted in what `tshark -d udp.port==49995,cflow -V` prints. */
const FLOWS = 27;
const OPTIONS_RECORDS = 1;
/** Octets of the pcap file header, and of the record header and the first packet behind it. */
const PCAP_HEADER = 24;
const octets = readFileSync(CAPTURE);
const directory = mkdtempSync(join(tmpdir(), 'flowrelay-'));

function linesOf(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

beforeAll(buildProgram);

describe('usage', () => {
  it.each([
    ['', ['which command? See flowrelay --help']],
    ['convrt', ['Unknown argument: convrt']],
    ['convert', ['convert: which file? See flowrelay convert --help']],
    [`convert --bogus ${CAPTURE}`, ['unknown option --bogus']],
    [`convert ${CAPTURE} --nmaes=iana`, ['unknown option --nmaes=iana']],
    ['collect extra', ['Unknown argument: extra']],
    [
      `convert ${CAPTURE} --influxdb http://127.0.0.1:9 --influxdb http://127.0.0.1:9/`,
      ['influxdb: a URL is given twice'],
    ],
    [
      `convert ${CAPTURE} --influxdb http://127.0.0.1:9 --influxdb-ca /nowhere`,
      ['influxdb-ca: cannot read /nowhere: ENOENT'],
    ],
    [
      `convert ${CAPTURE} --influxdb http://me:s3cret@127.0.0.1:9`,
      ['--influxdb: must be http://HOST:PORT or https://HOST:PORT, not "http://…@127.0.0.1:9"'],
    ],
    ['collect --names', ['--names: needs a value; one that begins with - is given as --names=VALUE']],
    // A key of CURVE may begin so.
    [
      'collect --zmq-encryption-key -bcde',
      ['--zmq-encryption-key: needs a value; one that begins with - is given as --zmq-encryption-key=VALUE'],
    ],
    [
      'collect --listen x --status y --names z',
      [
        '--listen: must be udp://ADDRESS:PORT or tcp://ADDRESS:PORT, not "x"',
        '--names: must be ntop or iana, not "z"',
        '--status: must be HOST:PORT or off, not "y"',
      ],
    ],
    [`replay ${CAPTURE}`, ['--to: must be given, see flowrelay replay --help']],
    [
      `replay ${CAPTURE} --to 127.0.0.1:0 --speed 0 --loop x`,
      [
        '--to: must be HOST:PORT, not "127.0.0.1:0"',
        '--speed: must be a number above 0, not "0"',
        '--loop: must be a number above 0, not "x"',
      ],
    ],
  ])('exits with 2 for flowrelay %s, a line for each problem', async (words, problems) => {
    const run = await runProgram(words.split(' ').filter((word) => word !== ''));
    expect({ code: run.code, stdout: run.stdout, problems: run.stderr.split('\n').slice(0, -1) }).toEqual({
      code: 2,
      stdout: '',
      problems: problems.map((problem) => `flowrelay: ${problem}`),
    });
  });

  it.each(['collect', 'convert', 'replay', 'exporters', 'templates'])('%s --help has examples', async (command) => {
    const run = await runProgram([command, '--help']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout).toContain(`Examples:\n  flowrelay ${command} `);
  });

  it('prints its version and a completion script', async () => {
    const { version } = JSON.parse(readFileSync(repositoryPath('package.json'), 'utf8')) as { version: string };
    expect((await runProgram(['--version'])).stdout).toBe(`${version}\n`);
    expect((await runProgram(['completion'])).stdout).toContain('complete -o bashdefault');
  });
});

describe('convert', () => {
  it('prints the lines of a capture and nothing else', async () => {
    const run = await runProgram(['convert', CAPTURE]);
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: '' });
    const types = linesOf(run.stdout).map((line) => line['RECORD_TYPE']);
    expect(types.filter((type) => type === 'flow')).toHaveLength(FLOWS);
    expect(types.filter((type) => type === 'options')).toHaveLength(OPTIONS_RECORDS);
    expect(types).toHaveLength(FLOWS + OPTIONS_RECORDS);
  });

  it('says with -v what it read', async () => {
    const run = await runProgram(['convert', '-v', CAPTURE]);
    expect(run.stderr).toBe(
      `flowrelay: 1 files, 2 packets, 2 messages, ${FLOWS} flows, ${OPTIONS_RECORDS} options records, 0 counters records, ${FLOWS + OPTIONS_RECORDS} lines\n`,
    );
  });

  it('reads standard input, gzipped or not', async () => {
    const file = (await runProgram(['convert', CAPTURE])).stdout;
    for (const input of [octets, gzipSync(octets)]) {
      expect(await runProgram(['convert', '-'], { input })).toMatchObject({ code: 0, stdout: file, stderr: '' });
    }
  });

  it('appends to files, several at once', async () => {
    const [a, b] = [join(directory, 'a.json'), join(directory, 'b.json')];
    writeFileSync(a, '{"old":true}\n');
    const run = await runProgram(['convert', CAPTURE, '--json', a, '--json', b, '--records', 'flow']);
    expect(run).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(linesOf(readFileSync(a, 'utf8'))).toHaveLength(FLOWS + 1);
    expect(linesOf(readFileSync(b, 'utf8'))).toHaveLength(FLOWS);
  });

  it('does not take a capture for the file to write', async () => {
    const path = join(directory, 'precious.pcap');
    writeFileSync(path, octets);
    const run = await runProgram(['convert', CAPTURE, '--json', path]);
    expect(run).toMatchObject({
      code: 1,
      stderr: `flowrelay: cannot write ${path}: it holds something else than JSON lines\n`,
    });
    expect(readFileSync(path)).toEqual(octets);
  });

  it('takes only the chosen ports, keys and kinds, from flags, environment or file', async () => {
    const config = join(directory, 'convert.json');
    writeFileSync(config, JSON.stringify({ fields: ['sourceIPv4Address'], names: 'ntop', records: ['flow'] }));
    const run = await runProgram(['convert', CAPTURE, '--config', config, '--port', '49995'], {
      environment: { FLOWRELAY_NAMES: 'iana' },
    });
    expect(run).toMatchObject({ code: 0, stderr: '' });
    // First flow by tshark: 192.0.2.10 to 198.51.100.53.
    expect(linesOf(run.stdout)[0]).toMatchObject({ sourceIPv4Address: '192.0.2.10' });
    expect(run.stdout).not.toContain('destinationIPv4Address');
    expect((await runProgram(['convert', CAPTURE, '--port', '2055'])).stdout).toBe('');
  });

  it('ends quietly when nobody reads on', async () => {
    const big = join(directory, 'big.pcap');
    const packets = octets.subarray(PCAP_HEADER);
    writeFileSync(
      big,
      Buffer.concat([octets.subarray(0, PCAP_HEADER), ...Array.from({ length: 2000 }, () => packets)]),
    );
    const child = spawn(process.execPath, [repositoryPath('dist/main.js'), 'convert', big]);
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, stderr]).toEqual([0, '']);
  });

  it('gives what a file holds that is cut off, warns, and exits with 1', async () => {
    const path = join(directory, 'cut.pcap');
    writeFileSync(path, octets.subarray(0, octets.length - 10));
    const run = await runProgram(['convert', path]);
    expect(run.code).toBe(1);
    // The first datagram has 24 records by its header; the second, which is cut, has 3.
    expect(linesOf(run.stdout).length).toBeGreaterThan(15);
    expect(run.stderr.split('\n')[0]).toBe(`flowrelay: ${path} is cut off; what it holds was converted`);
  });

  it('says a line for each file that cannot be read and converts the others', async () => {
    const text = join(directory, 'text.pcap');
    const empty = join(directory, 'empty.pcap');
    writeFileSync(text, 'this is no capture');
    writeFileSync(empty, '');
    const run = await runProgram(['convert', '/nonexistent.pcap', directory, text, empty, CAPTURE]);
    expect(run.code).toBe(1);
    expect(linesOf(run.stdout)).toHaveLength(FLOWS + OPTIONS_RECORDS);
    const lines = run.stderr.split('\n');
    expect(lines.slice(0, 4)).toEqual([
      'flowrelay: cannot read /nonexistent.pcap: no such file or directory (ENOENT)',
      `flowrelay: cannot read ${directory}: is a directory (EISDIR)`,
      `flowrelay: ${text} is no capture or IPFIX file`,
      `flowrelay: ${empty} is empty`,
    ]);
    expect(lines[4]).toContain('4 files with problems');
  });

  it('says when it cannot write', async () => {
    const run = await runProgram(['convert', CAPTURE, '--json', '/dev/full']);
    expect(run.code).toBe(1);
    expect(run.stderr.split('\n')[0]).toBe('flowrelay: cannot write /dev/full: no space left on device (ENOSPC)');
  });

  it('stops while it waits for its input, and tells by which signal', async () => {
    const child = spawn(process.execPath, [repositoryPath('dist/main.js'), 'convert', '-']);
    child.stdin.on('error', () => {});
    child.stdin.write(octets);
    let stdout = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    // It has taken the octets and waits for more once it has used the processor, sleeps, and does so still (proc(5): state, utime and stime).
    let before = '';
    const isIdle = () => {
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'latin1');
      const [state, ...words] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [last, ticks] = [before, Number(words[10]) + Number(words[11])];
      before = `${state} ${ticks}`;
      return state === 'S' && ticks > 0 && before === last;
    };
    await expect.poll(isIdle, { interval: 1000 }).toBe(true);
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
    expect(linesOf(stdout)).toHaveLength(FLOWS + OPTIONS_RECORDS);
  });
});

describe('replay', () => {
  async function receive(words: readonly string[]) {
    const socket = createSocket('udp4');
    const datagrams: Buffer[] = [];
    socket.on('message', (datagram) => datagrams.push(datagram));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const run = await runProgram(['replay', CAPTURE, '--to', `127.0.0.1:${socket.address().port}`, ...words]);
    const sent = Number(/^flowrelay: (\d+) datagrams/.exec(run.stderr)?.[1]);
    await expect.poll(() => datagrams.length).toBe(sent);
    socket.close();
    return { run, datagrams };
  }

  /** Payloads as tshark extracts them. */
  function payloads(): string[] {
    return execFileSync('tshark', ['-r', CAPTURE, '-T', 'fields', '-e', 'udp.payload'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .toString()
      .trim()
      .split('\n');
  }

  it('sends every datagram as captured and says how many', async ({ skip }) => {
    let expected: string[];
    try {
      expected = payloads();
    } catch (error) {
      if (process.env['FLOWRELAY_REQUIRE_INTEGRATION'] === '1') throw error;
      return skip('tshark is not installed');
    }
    const { run, datagrams } = await receive(['--loop', '2']);
    expect(datagrams.map((datagram) => datagram.toString('hex'))).toEqual([...expected, ...expected]);
    expect(run.code).toBe(0);
    expect(run.stderr).toMatch(/^flowrelay: 4 datagrams \(\d+ octets\) sent to 127\.0\.0\.1:\d+ in \d+\.\d s\n$/);
  });

  it('sets the export time to now', async () => {
    const startSeconds = Math.floor(Date.now() / 1000);
    const { datagrams } = await receive(['--rewrite-time']);
    const exportTime = datagrams[0]?.readUInt32BE(8);
    expect(exportTime).toBeGreaterThanOrEqual(startSeconds);
    expect(exportTime).toBeLessThanOrEqual(Date.now() / 1000);
  });

  it('keeps to a rate', async () => {
    const startMs = Date.now();
    const { datagrams } = await receive(['--loop', '5', '--rate', '20']);
    expect(datagrams).toHaveLength(10);
    // Ten datagrams at 20 a second: the last is due 450 ms after the first.
    expect(Date.now() - startMs).toBeGreaterThanOrEqual(450);
  });

  it('says a line for a file that is no capture', async () => {
    const path = join(directory, 'none.pcap');
    writeFileSync(path, 'nothing of the kind');
    const run = await runProgram(['replay', path, '--to', '127.0.0.1:9']);
    expect([run.code, run.stderr.split('\n')[0]]).toEqual([1, `flowrelay: ${path} is no capture`]);
  });
});

describe('exporters and templates', () => {
  it('say in one line that nobody answers', async () => {
    const run = await runProgram(['exporters', '--status', '127.0.0.1:1']);
    expect([run.code, run.stderr]).toEqual([
      1,
      'flowrelay: cannot ask 127.0.0.1:1: no flowrelay serves its status there\n',
    ]);
  });
});
