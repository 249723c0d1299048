import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { pcapngFile } from '../../packet/capture.ts';
import { type DetectedFlow, detectApplications, readCapture } from '../../support/application-flows.ts';
import { hasProgram } from '../../support/lab.ts';

const CORPORA = fileURLToPath(new URL('../../../../shared/corpora/packets/', import.meta.url));

const corporaAreThere = existsSync(CORPORA);
if (!corporaAreThere) console.log(`SKIPPED: applications of captures, no captures in ${CORPORA}`);
const tsharkIsThere = hasProgram('tshark');
if (!tsharkIsThere) console.log('SKIPPED: names beside those of tshark, which is not installed');
const ndpiIsThere = hasProgram('ndpiReader');
if (!ndpiIsThere) console.log('SKIPPED: applications beside those of ndpiReader, which is not installed');

const CAPTURES = corporaAreThere
  ? readdirSync(CORPORA, { recursive: true, encoding: 'utf8' }).filter((path) => /\.pcap(ng)?$/.test(path))
  : [];

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-applications-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Keys of ours, and the fields of tshark's that say the same. */
const NAMES = {
  DNS_QUERY: 'dns.qry.name',
  DNS_QUERY_TYPE: 'dns.qry.type',
  TLS_SERVER_NAME: 'tls.handshake.extensions_server_name',
  HTTP_HOST: 'http.host',
  HTTP_METHOD: 'http.request.method',
  HTTP_URL: 'http.request.uri',
  HTTP_USER_AGENT: 'http.user_agent',
  HTTP_RET_CODE: 'http.response.code',
  DHCP_CLIENT_NAME: 'dhcp.option.hostname',
} as const;

type Key = keyof typeof NAMES;

const KEYS = Object.keys(NAMES) as Key[];

/** Responses whose body the capture cuts: tshark waits for the rest before it says what they are. */
const UNFINISHED = [
  '55282 77.72.118.213|80 HTTP_RET_CODE: tshark undefined, ours 302',
  '55297 212.58.246.107|80 HTTP_RET_CODE: tshark undefined, ours 200',
].map((text) => `pcapplusplus/ExamplesTest/pcap_examples/many-protocols.pcap 6 10.0.0.1|${text}`);

/** What tshark says of each frame of a capture: the first occurrence of each field. */
function namesOfTshark(path: string): Partial<Record<Key, string>>[] {
  const fields = KEYS.flatMap((key) => ['-e', NAMES[key]]);
  const output = execFileSync(
    'tshark',
    ['-r', path, '-n', '-T', 'fields', '-E', 'separator=/t', '-E', 'occurrence=f', ...fields],
    { encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) =>
      Object.fromEntries(
        line
          .split('\t')
          .map((value, i) => [KEYS[i]!, value])
          .filter(([, value]) => value !== ''),
      ),
    );
}

/** tshark's word for a value, as ours has it. */
function asOurs(key: Key, value: string): string {
  if (key === 'DNS_QUERY') return value === '<Root>' ? '.' : value;
  if (key === 'HTTP_HOST') return value.replace(/:\d+$/, '');
  return key === 'HTTP_URL' || key === 'HTTP_USER_AGENT' ? value.slice(0, 512) : value;
}

describe.skipIf(!corporaAreThere)('applications of real captures', () => {
  it.skipIf(!tsharkIsThere)('are named as tshark reads them', () => {
    // One run of tshark is a tenth of the time of one for each capture.
    const frames = CAPTURES.map((path) => readCapture(join(CORPORA, path)));
    const merged = join(directory, 'all.pcapng');
    writeFileSync(merged, pcapngFile(frames.flat()));
    const said = namesOfTshark(merged);
    const differences: string[] = [];
    const compared: Record<string, number> = {};
    let first = 0;
    for (const [i, capture] of CAPTURES.entries()) {
      for (const flow of detectApplications(frames[i]!)) {
        // What an ICMP error quotes is of another flow; SSDP is HTTP to tshark.
        if (flow.protocol === 1 || flow.protocol === 58 || flow.values['L7_PROTO_NAME'] === 'SSDP') continue;
        for (const key of KEYS) {
          const frame = flow.frames.find((index) => said[first + index]?.[key] !== undefined);
          const expected = frame === undefined ? undefined : asOurs(key, said[first + frame]![key]!);
          const ours = flow.values[key] === undefined ? undefined : String(flow.values[key]);
          if (expected !== undefined) compared[key] = (compared[key] ?? 0) + 1;
          if (ours !== expected) differences.push(`${capture} ${flow.key} ${key}: tshark ${expected}, ours ${ours}`);
        }
      }
      first += frames[i]!.length;
    }
    expect(differences).toEqual([...UNFINISHED]);
    console.log('values equal to those of tshark:', compared);
    expect(compared).toMatchObject({
      DNS_QUERY: expect.any(Number),
      TLS_SERVER_NAME: expect.any(Number),
      HTTP_HOST: expect.any(Number),
    });
  });

  it.skipIf(!ndpiIsThere)('are those of nDPI for at least nine flows in ten', () => {
    let named = 0;
    let sameProtocol = 0;
    const differences: string[] = [];
    for (const capture of CAPTURES) {
      const path = join(CORPORA, capture);
      const flows = new Map<string, DetectedFlow>();
      const frames = readCapture(path);
      for (const tunnels of ['outer', 'inner'] as const) {
        for (const flow of detectApplications(frames, tunnels)) flows.set(comparable(flow.key), flow);
      }
      for (const { key, application } of flowsOfNdpi(path)) {
        const values = flows.get(comparable(key))?.values;
        const master = values?.['L7_MASTER_PROTO'] === undefined ? '' : `${values['L7_MASTER_PROTO']}.`;
        const ours = `${master}${values?.['L7_PROTO']}`;
        named++;
        if (ours.split('.')[0] === application.split('.')[0]) sameProtocol++;
        if (ours !== application) differences.push(`${capture} ${key}: nDPI ${application}, ours ${ours}`);
      }
    }
    console.log(
      `flows that ndpiReader names: ${named}, same protocol: ${sameProtocol}, same service too: ${named - differences.length}`,
    );
    expect(named).toBeGreaterThan(400);
    expect(1 - differences.length / named, differences.join('\n')).toBeGreaterThanOrEqual(0.9);
  });
});

/** The flows that ndpiReader has a name for, with the number it gives them: `application` or `master.application`. */
function flowsOfNdpi(path: string): { readonly key: string; readonly application: string }[] {
  const csv = join(directory, 'flows.csv');
  execFileSync('ndpiReader', ['-i', path, '-C', csv], { stdio: 'ignore' });
  const [header, ...lines] = execFileSync('cat', [csv], { encoding: 'utf8' }).trim().split('\n');
  const columns = header!.slice(1).split(',');
  return lines
    .map((line) => Object.fromEntries(line.split(',').map((value, i) => [columns[i]!, value])))
    .filter((row) => row['ndpi_proto_num'] !== '0')
    .map((row) => {
      const ends = [`${row['src_ip']}|${row['src_port']}`, `${row['dst_ip']}|${row['dst_port']}`];
      return { key: `${row['protocol']} ${ends.sort().join(' ')}`, application: row['ndpi_proto_num']! };
    });
}

/** A key with addresses in one form, and ports of TCP and UDP only: ndpiReader knows no others. */
function comparable(key: string): string {
  const [protocol, ...ends] = key.split(' ');
  const hasPorts = protocol === '6' || protocol === '17';
  const texts = ends.map((end) => {
    const [address, port] = end.split('|') as [string, string];
    const text = isIP(address) === 6 ? new URL(`http://[${address}]/`).hostname : address;
    return `${text}|${hasPorts ? port : 0}`;
  });
  return `${protocol} ${texts.sort().join(' ')}`;
}
