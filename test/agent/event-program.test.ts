import { describe, expect, it } from 'vitest';
import { eventProgram, LINE_MARK } from '../../src/agent/event-program.ts';

const PROCESSES = ['sched:sched_process_exec', 'sched:sched_process_exit'];
const ALL = [
  ...PROCESSES,
  'sock:inet_sock_set_state',
  'sock:sock_send_length',
  'sock:sock_recv_length',
  'tcp:tcp_retransmit_skb',
  'syscalls:sys_exit_accept',
  'syscalls:sys_exit_accept4',
  ...['sendto', 'sendmsg', 'sendmmsg', 'recvfrom', 'recvmsg', 'recvmmsg'].map((call) => `syscalls:sys_enter_${call}`),
  ...['recvfrom', 'recvmsg', 'recvmmsg'].map((call) => `syscalls:sys_exit_${call}`),
];

function programFor(tracepoints: readonly string[], kprobes: readonly string[] = []) {
  const program = eventProgram({ tracepoints: new Set(tracepoints), kprobes: new Set(kprobes) });
  if (typeof program === 'string') throw new Error(program);
  // Which probes a program names is what the kernel is asked for.
  const probes = [...program.source.matchAll(/\b(?:tracepoint|kprobe):[\w:]+/g)].map(([name]) => name);
  return { ...program, probes: [...new Set(probes)].sort() };
}

const without = (...names: string[]) => ALL.filter((name) => !names.includes(name));

describe('the program for the kernel', () => {
  it('uses what there is', () => {
    const { missing, probes } = programFor(ALL);
    expect(missing).toEqual([]);
    expect(probes).toEqual(ALL.map((name) => `tracepoint:${name}`).sort());
  });

  it.each(ALL)('asks for nothing that is not there: %s', (name) => {
    const program = eventProgram({ tracepoints: new Set(without(name)), kprobes: new Set() });
    if (typeof program === 'string') expect(program).toContain(name);
    else expect(program.source.replaceAll(`${name}4`, '')).not.toMatch(new RegExp(`${name}\\b`));
  });

  it('says what is left out', () => {
    expect(programFor(without('tcp:tcp_retransmit_skb')).missing.join()).toContain('RETRANSMIT');
    expect(programFor(without('syscalls:sys_exit_accept', 'syscalls:sys_exit_accept4')).missing.join()).toContain(
      'ACCEPT',
    );
    expect(programFor(without('sock:sock_send_length')).missing.join()).toContain('SEND and RECV');
    expect(eventProgram({ tracepoints: new Set(PROCESSES), kprobes: new Set() })).toBe(
      'the kernel has no tracepoint sock:inet_sock_set_state',
    );
  });

  it('takes kprobes for datagrams sent where the kernel is older than 6.3', () => {
    const old = programFor(without('sock:sock_send_length', 'sock:sock_recv_length'), ['udp_sendmsg', 'udpv6_sendmsg']);
    expect(old.probes).toEqual(expect.arrayContaining(['kprobe:udp_sendmsg', 'kprobe:udpv6_sendmsg']));
    expect(old.missing.join()).toContain('no RECV');
    expect(old.source).not.toContain('sys_enter_recv');
  });

  it('begins each line with a mark that no name has room for, and ends it with the name', () => {
    const { source } = programFor(ALL);
    expect(LINE_MARK.length).toBeGreaterThan(15);
    const formats = [...source.matchAll(/printf\("([^"]*)", (.*)\);/g)];
    expect(formats.length).toBeGreaterThan(8);
    for (const [, format, values] of formats) {
      expect(format!.startsWith(`${LINE_MARK}\\t`)).toBe(true);
      // Texts are addresses, the escaped path, and the name behind all else.
      const inner = values!.replace(/ntop\([^,]*\)|buf\(str\(args->filename\), 64\)/g, '');
      expect(inner.replace(/, (comm|\$owner\.5)$/, '')).not.toMatch(/\bcomm\b|\bstr\(|owner\.5/);
    }
  });
});
