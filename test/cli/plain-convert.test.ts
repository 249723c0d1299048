import { describe, expect, it } from 'vitest';
import { configurationOf } from '../../src/cli/options.ts';
import { plainConvert } from '../../src/cli/plain-convert.ts';
import { OPTION_NAMES, OPTIONS, type OptionSchema } from '../../src/config/configuration.ts';

describe('convert read without yargs', () => {
  it('takes files, flags with a value behind or in the word, switches and -v', () => {
    expect(plainConvert(['convert', 'a.pcap', '--names', 'iana', '-', '--port=2055,9995', '--upscale', '-v'])).toEqual({
      files: ['a.pcap', '-'],
      flags: { names: 'iana', port: '2055,9995', upscale: true },
      isVerbose: true,
    });
  });

  it('makes the configuration that the flags mean', () => {
    const { flags } = plainConvert(['convert', 'a.pcap', '--fields', 'IN_BYTES,IN_PKTS', '--json', 'out.json'])!;
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
    [['convert', 'a.pcap', '--no-code-generation']],
    [['convert', '--', 'a.pcap']],
    [['convert', 'a.pcap', '-x']],
  ])('leaves %j to yargs', (words) => {
    expect(plainConvert(words)).toBeUndefined();
  });

  it('knows every option of convert', () => {
    for (const name of OPTION_NAMES) {
      const option: OptionSchema = OPTIONS[name];
      const words = ['convert', 'a.pcap', `--${name}`, ...(option.type === 'boolean' ? [] : ['1'])];
      expect([name, plainConvert(words) !== undefined]).toEqual([name, option.commands.includes('convert')]);
    }
  });
});
