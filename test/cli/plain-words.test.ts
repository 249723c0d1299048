import { describe, expect, it } from 'vitest';
import { configurationOf } from '../../src/cli/options.ts';
import { plainWords } from '../../src/cli/plain-words.ts';
import { OPTION_NAMES, OPTIONS, type OptionSchema } from '../../src/config/configuration.ts';

describe('words read without yargs', () => {
  it('takes files, flags with a value behind or in the word, switches and -v', () => {
    expect(plainWords(['convert', 'a.pcap', '--names', 'iana', '-', '--port=2055,9995', '--upscale', '-v'])).toEqual({
      command: 'convert',
      files: ['a.pcap', '-'],
      flags: { names: 'iana', port: '2055,9995', upscale: true },
      isVerbose: true,
    });
  });

  it('takes switches off', () => {
    const { flags } = plainWords(['convert', 'a.pcap', '--no-code-generation'])!;
    expect(configurationOf(flags).configuration.codeGeneration).toBe(false);
  });

  it('takes a probe of captures', () => {
    expect(plainWords(['probe', '--read', 'a.pcap', '--no-tcp-analysis', '--json=o.json'])).toEqual({
      command: 'probe',
      files: [],
      flags: { read: 'a.pcap', 'tcp-analysis': false, json: 'o.json' },
      isVerbose: false,
    });
  });

  it('makes the configuration that the flags mean', () => {
    const { flags } = plainWords(['convert', 'a.pcap', '--fields', 'IN_BYTES,IN_PKTS', '--json', 'out.json'])!;
    const { configuration } = configurationOf(flags);
    expect(configuration).toMatchObject({ fields: ['IN_BYTES', 'IN_PKTS'], json: ['out.json'], names: 'ntop' });
  });

  it.each([
    [[]],
    [['collect']],
    [['convert']],
    [['convert', '--help']],
    [['convert', 'a.pcap', '--bogus']],
    [['convert', 'a.pcap', '--listen', 'udp://[::]:2055']],
    [['convert', 'a.pcap', '--names']],
    [['convert', 'a.pcap', '--names', '--upscale']],
    [['convert', 'a.pcap', '--names', 'iana', '--names', 'ntop']],
    [['convert', 'a.pcap', '--upscale=true']],
    [['convert', 'a.pcap', '--no-names', 'iana']],
    [['convert', 'a.pcap', '--upscale', '--no-upscale']],
    [['probe']],
    [['probe', 'a.pcap']],
    [['probe', '--interface', 'eth0']],
    [['probe', '--read', 'a.pcap', 'b.pcap']],
    [['probe', '--read', 'a.pcap', '--listen', 'udp://[::]:2055']],
    [['convert', '--', 'a.pcap']],
    [['convert', 'a.pcap', '-x']],
  ])('leaves %j to yargs', (words) => {
    expect(plainWords(words)).toBeUndefined();
  });

  it.each([
    ['convert', ['convert', 'a.pcap']],
    ['probe', ['probe', '--read', 'a.pcap']],
  ] as const)('knows every option of %s', (command, before) => {
    for (const name of OPTION_NAMES) {
      if (command === 'probe' && name === 'read') continue;
      const option: OptionSchema = OPTIONS[name];
      const words = [...before, `--${name}`, ...(option.type === 'boolean' ? [] : ['1'])];
      expect([name, plainWords(words) !== undefined]).toEqual([name, option.commands.includes(command)]);
    }
  });
});
