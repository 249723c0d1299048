import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { checkValue } from '../../src/config/check-value.ts';
import { configurationSchema, OPTION_NAMES, OPTIONS, type OptionSchema } from '../../src/config/configuration.ts';
import {
  type ConfigurationError,
  type ConfigurationSources,
  camelCase,
  loadConfiguration,
} from '../../src/config/load-configuration.ts';
import { DEFAULT_DECODING_OPTIONS } from '../../src/pipeline/decoding.ts';
import { decodingOptionsOf } from '../../src/pipeline/decoding-options.ts';

const directory = mkdtempSync(join(tmpdir(), 'flowrelay-'));

function file(content: unknown): string {
  const path = join(directory, 'relay.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function load(sources: Partial<ConfigurationSources>) {
  return loadConfiguration({ environment: {}, flags: {}, ...sources }).configuration;
}

function problems(sources: Partial<ConfigurationSources>): readonly string[] {
  try {
    load(sources);
  } catch (error) {
    return (error as ConfigurationError).problems;
  }
  throw new Error('the configuration was accepted');
}

describe('loadConfiguration', () => {
  it('takes flags before the environment before the file before defaults', () => {
    const path = file({ names: 'iana', 'template-timeout': 1, 'max-sessions': 2, upscale: true });
    const environment = { FLOWRELAY_TEMPLATE_TIMEOUT: '10', FLOWRELAY_MAX_SESSIONS: '20' };
    const configuration = load({ file: path, environment, flags: { 'max-sessions': '200' } });
    expect(configuration).toMatchObject({
      names: 'iana',
      templateTimeout: 10,
      maxSessions: 200,
      upscale: true,
      logLevel: 'info',
    });
  });

  it('reads the file that the environment names', () => {
    expect(load({ environment: { FLOWRELAY_CONFIG: file({ names: 'iana' }) } }).names).toBe('iana');
  });

  it('knows what was given', () => {
    const { given } = loadConfiguration({ environment: { FLOWRELAY_STATUS: 'off' }, flags: { names: 'ntop' } });
    expect([...given].sort()).toEqual(['names', 'status']);
  });

  it('takes lists apart at commas and from repeated flags, but leaves paths whole', () => {
    const configuration = load({
      environment: { FLOWRELAY_LISTEN: 'udp://[::]:2055,tcp://192.0.2.1:4739' },
      flags: { fields: ['A,B', 'C'], port: '2055, 9995', json: 'a,b.json' },
    });
    expect(configuration).toMatchObject({
      listen: ['udp://[::]:2055', 'tcp://192.0.2.1:4739'],
      fields: ['A', 'B', 'C'],
      port: [2055, 9995],
      json: ['a,b.json'],
    });
  });

  it('reads switches from the environment in the usual spellings', () => {
    expect(load({ environment: { FLOWRELAY_UPSCALE: '1', FLOWRELAY_CODE_GENERATION: 'off' } })).toMatchObject({
      upscale: true,
      codeGeneration: false,
    });
  });

  it('names every wrong field and where it was set, all at once', () => {
    const path = file({ nmaes: 'iana', upscale: 'yes', 'max-sessions': 1.5, listen: 'udp://[::]:2055' });
    expect(
      problems({
        file: path,
        environment: { FLOWRELAY_NAMES: 'cisco', FLOWRELAY_TEMPLATE_TIMEOUT: 'soon' },
        flags: { records: 'flow,flows', status: 'localhost', 'log-level': ['info', 'debug'] },
      }),
    ).toEqual([
      `${path}: nmaes: no such option`,
      '--log-level: may be given once',
      'FLOWRELAY_NAMES: must be ntop or iana, not "cisco"',
      `${path}: upscale: must be true or false, not "yes"`,
      '--records: must be flow, event, discard, counters or options, not "flows"',
      'FLOWRELAY_TEMPLATE_TIMEOUT: must be a whole number, not "soon"',
      `${path}: max-sessions: must be a whole number, not 1.5`,
      '--status: must be HOST:PORT or off, not "localhost"',
    ]);
  });

  it.each([
    ['udp://[::]:70000', 'has no port up to 65535: udp://[::]:70000'],
    ['http://[::]:2055', 'must be udp://ADDRESS:PORT or tcp://ADDRESS:PORT, not "http://[::]:2055"'],
    ['udp://[::]:2055,udp://[::]:2055', 'names udp://[::]:2055 twice'],
  ])('refuses --listen %s', (listen, problem) => {
    expect(problems({ flags: { listen } })).toEqual([`--listen: ${problem}`]);
  });

  it.each([
    [{ zmq: 'tcp://*:5556c' }, 'tcp://*:5556c is no place to call: it takes a host or address, and a port'],
    [
      { zmq: 'tcp://h:0', 'zmq-connect': true },
      'tcp://h:0 is no place to call: it takes a host or address, and a port',
    ],
    [{ zmq: 'tcp://h:65536' }, 'has no port up to 65535: tcp://h:65536'],
    [{ zmq: 'udp://h:1' }, 'must be tcp://ADDRESS:PORT, tcp://ADDRESS:PORTc or ipc://PATH, not "udp://h:1"'],
  ])('refuses a feed at %o', (flags, problem) => {
    expect(problems({ flags })).toEqual([`--zmq: ${problem}`]);
  });

  it('refuses an address of an agent that is none', () => {
    expect(problems({ flags: { 'agent-address': '192.0.2' } })).toEqual(['--agent-address: is no IP address: 192.0.2']);
    expect(load({ flags: { 'agent-address': '2001:db8::1' } }).agentAddress).toBe('2001:db8::1');
  });

  it('refuses files that are missing, no JSON, or no object', () => {
    expect(problems({ file: '/nonexistent/relay.json' })).toEqual(['/nonexistent/relay.json: cannot be read (ENOENT)']);
    expect(problems({ file: file('{"names":') })[0]).toMatch(/relay\.json: is no JSON: /);
    expect(problems({ file: file([]) })[0]).toMatch(/relay\.json: must hold one JSON object$/);
  });
});

describe('options', () => {
  it('have the defaults that decoding has', () => {
    expect(decodingOptionsOf(load({}))).toEqual(DEFAULT_DECODING_OPTIONS);
  });

  it('are all in the configuration', () => {
    expect(Object.keys(load({})).sort()).toEqual(OPTION_NAMES.map(camelCase).sort());
  });

  // ajv is the second opinion: the check of our own stands in for it to save its loading time.
  it('are checked as ajv checks them', () => {
    const validate = new Ajv({ allErrors: true, strict: false }).compile(configurationSchema());
    const values = [
      '',
      'ntop',
      'iana',
      'off',
      'x y',
      'address',
      'udp://[::]:1',
      'udp://x',
      '127.0.0.1:1',
      'flow',
      'info',
      0,
      1,
      -1,
      1.5,
      4096,
      65536,
      2 ** 31,
      1e15,
      true,
      false,
      null,
      [],
      ['flow'],
      ['flow', 'x'],
      [1],
      [70000],
      [1.5],
      [''],
      ['a'],
      ['a b'],
      ['udp://1.2.3.4:5'],
      {},
      [null],
    ];
    let accepted = 0;
    for (const name of OPTION_NAMES) {
      const option: OptionSchema = OPTIONS[name];
      for (const value of values) {
        const isValid = validate({ [name]: value });
        expect([name, value, checkValue(value, option) === undefined]).toEqual([name, value, isValid]);
        if (isValid) accepted++;
      }
    }
    expect(accepted).toBeGreaterThan(OPTION_NAMES.length);
  });
});
