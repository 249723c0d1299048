/**
 * The program that bpftrace runs in the kernel to tell of sockets and processes. It stands on tracepoints and the kernel's own type information
 * (BTF) alone: kprobes are missing from many kernels. What a line holds is said at {@link EVENT_LINES}.
 */

/** What of a kernel's offers decides the parts of the program. */
export interface KernelProbes {
  /** `category:name` of each tracepoint. */
  readonly tracepoints: ReadonlySet<string>;
  /** Functions that may be probed; only asked for where tracepoints are missing. */
  readonly kprobes: ReadonlySet<string>;
}

/** A program, and what the kernel did not let into it. */
export interface EventProgram {
  readonly source: string;
  /** One line for each part that is left out and why, without a full stop. */
  readonly missing: readonly string[];
}

/**
 * Begins each line. Names come last and as they are: one with a line feed cuts its line short, and what is behind it, 14 octets at most, is too
 * short for this.
 */
export const LINE_MARK = '#flowrelay-event';
/** Octets of a program's path that an event carries, its end marker included. */
export const PATH_OCTETS = 64;
/** How often datagrams are summed up, milliseconds. */
export const SUM_INTERVAL_MS = 1000;
/** The kernel's time is told in the first of so many seconds, and again so often: each time wakes the reader, the first says that probes are at work. */
const TIME_SECONDS = 4;

const REQUIRED = ['sock:inet_sock_set_state', 'sched:sched_process_exec', 'sched:sched_process_exit'] as const;

/** States of include/net/tcp_states.h. */
const ESTABLISHED = 1;
const SYN_SENT = 2;
const FIN_WAIT_1 = 4;
const CLOSED = 7;
const LAST_ACK = 9;
const LISTEN = 10;
const AF_INET = 2;
const AF_INET6 = 10;
const TCP = 6;
const UDP = 17;

/** The process that runs, as printf() takes it; its name is the last of a line. */
const CURRENT = 'nsecs, pid, $task->real_parent->tgid, uid, gid, cgroup';
const CURRENT_FORMAT = '%llu\\t%d\\t%d\\t%u\\t%u\\t%llu';
// buf() prints what is not printable in hexadecimal, so that no name ends a sum; elsewhere that would be most of bpftrace's work.
const NAME = 'buf(comm, 16)';
const CURRENT_TUPLE = '((uint64)pid, (uint64)$task->real_parent->tgid, (uint64)uid, (uint64)gid, (uint64)cgroup, comm)';
/** The process that owns a socket, from a tuple kept in $owner. */
const OWNER = 'nsecs, $owner.0, $owner.1, $owner.2, $owner.3, $owner.4';
const SOCKET = '$sk->__sk_common.skc_net.net->ns.inum, (uint64)$sk->__sk_common.skc_cookie.counter';
const SOCKET_FORMAT = '%u\\t%llx\\t%d\\t%d\\t%s\\t%s';
const ENDPOINTS = 'args->sport, args->dport, ntop(args->saddr_v6), ntop(args->daddr_v6)';

/** The program for a kernel that offers `probes`, or the reason, in one line, where it offers too little. */
export function eventProgram(probes: KernelProbes): EventProgram | string {
  const lacking = REQUIRED.filter((name) => !probes.tracepoints.has(name));
  if (lacking.length > 0) return `the kernel has no tracepoint ${lacking.join(', ')}`;
  const missing: string[] = [];
  const parts = [BEGIN, PROCESSES, CONNECTIONS];
  const accepts = ['syscalls:sys_exit_accept', 'syscalls:sys_exit_accept4'].filter((name) =>
    probes.tracepoints.has(name),
  );
  if (accepts.length > 0) parts.push(acceptPart(accepts));
  else missing.push('no ACCEPT events: the kernel has no tracepoints of system calls');
  if (probes.tracepoints.has('tcp:tcp_retransmit_skb')) parts.push(RETRANSMISSIONS);
  else missing.push('no RETRANSMIT events: the kernel has no tracepoint tcp:tcp_retransmit_skb');
  parts.push(...datagramParts(probes, missing));
  return { source: parts.join('\n'), missing };
}

const BEGIN = `BEGIN { printf("${LINE_MARK}\\tB\\t%llu\\n", nsecs); @half = 0; @second = 0; }
interval:ms:1000 {
  if (@second % ${TIME_SECONDS} == 0) { printf("${LINE_MARK}\\tH\\t%llu\\n", nsecs); }
  @second = @second + 1;
}`;

const PROCESSES = `tracepoint:sched:sched_process_exec {
  $task = curtask;
  printf("${LINE_MARK}\\tX\\t${CURRENT_FORMAT}\\t%r\\t%s\\n", ${CURRENT}, buf(str(args->filename), ${PATH_OCTETS}), comm);
}
tracepoint:sched:sched_process_exit /pid == tid/ {
  $task = curtask;
  printf("${LINE_MARK}\\tQ\\t${CURRENT_FORMAT}\\t%s\\n", ${CURRENT}, comm);
}`;

// A connection is established where no process runs, so that who asked for it is noted before. Who closes one of unknown owner owns it: only a
// process takes it to these two states.
// The kernel counts the peer's FIN as an octet received; SOCK_DONE, bit 1, says that it came.
const CONNECTIONS = `${onState(`args->oldstate == ${CLOSED} && args->newstate == ${SYN_SENT}`)} {
  $task = curtask;
  @owner[(uint64)args->skaddr] = ${CURRENT_TUPLE};
}
${onState(`args->newstate == ${FIN_WAIT_1} || args->newstate == ${LAST_ACK}`)} {
  if (@owner[(uint64)args->skaddr].0 == 0) {
    $task = curtask;
    @owner[(uint64)args->skaddr] = ${CURRENT_TUPLE};
  }
}
${onState(`args->oldstate == ${SYN_SENT} && args->newstate == ${ESTABLISHED}`)} {
  ${ownedLine('C')}
}
${onState(`args->oldstate == ${SYN_SENT} && args->newstate == ${CLOSED}`)} {
  ${ownedLine('F')}
  delete(@owner[(uint64)args->skaddr]);
}
${onState(`args->newstate == ${CLOSED} && args->oldstate != ${SYN_SENT} && args->oldstate != ${LISTEN} && args->oldstate != ${CLOSED}`)} {
  $tcp = (struct tcp_sock *)args->skaddr;
  ${ownedLine('K', '\\t%llu\\t%llu', '$tcp->bytes_sent - $tcp->bytes_retrans, $tcp->bytes_received - (($sk->__sk_common.skc_flags >> 1) & 1)')}
  delete(@owner[(uint64)args->skaddr]); delete(@resent[(uint64)args->skaddr]);
}`;

// One line a second for each connection: a path that loses much makes thousands.
const RETRANSMISSIONS = `tracepoint:tcp:tcp_retransmit_skb {
  if (nsecs - @resent[(uint64)args->skaddr] >= 1000000000) {
    @resent[(uint64)args->skaddr] = nsecs;
    ${ownedLine('R')}
  }
}`;

function onState(condition: string): string {
  return `tracepoint:sock:inet_sock_set_state /args->protocol == ${TCP} && (${condition})/`;
}

function ownedLine(letter: string, formats = '', values = ''): string {
  const more = values === '' ? '' : `${values}, `;
  return `$sk = (struct sock *)args->skaddr; $owner = @owner[(uint64)args->skaddr];
  printf("${LINE_MARK}\\t${letter}\\t${CURRENT_FORMAT}\\t${SOCKET_FORMAT}${formats}\\t%s\\n", ${OWNER}, ${SOCKET}, ${ENDPOINTS}, ${more}$owner.5);`;
}

/** The socket is found by its new descriptor: where it becomes established, no process runs. */
function acceptPart(tracepoints: readonly string[]): string {
  const line = (local: string, remote: string) =>
    `printf("${LINE_MARK}\\tA\\t${CURRENT_FORMAT}\\t${SOCKET_FORMAT}\\t%s\\n", ${CURRENT}, ${SOCKET}, $sk->__sk_common.skc_num, $port, ntop(${local}), ntop(${remote}), comm);`;
  return `${tracepoints.map((name) => `tracepoint:${name}`).join(', ')} /args->ret >= 0/ {
  $task = curtask;
  $file = *($task->files->fdt->fd + args->ret);
  $sk = ((struct socket *)$file->private_data)->sk;
  $family = $sk->__sk_common.skc_family;
  if ($sk->sk_protocol == ${TCP} && ($family == ${AF_INET} || $family == ${AF_INET6})) {
    if ($sk->__sk_common.skc_state != ${CLOSED}) { @owner[(uint64)$sk] = ${CURRENT_TUPLE}; }
    $swapped = $sk->__sk_common.skc_dport; $port = ($swapped >> 8) | (($swapped & 0xff) << 8);
    if ($family == ${AF_INET}) {
      ${line('$sk->__sk_common.skc_rcv_saddr', '$sk->__sk_common.skc_daddr')}
    } else {
      ${line('$sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8', '$sk->__sk_common.skc_v6_daddr.in6_u.u6_addr8')}
    }
  }
}`;
}

/** Datagrams are summed up in the kernel by process, socket and peer: a line for each would drown everything. */
function datagramParts(probes: KernelProbes, missing: string[]): string[] {
  const has = (name: string) => probes.tracepoints.has(name);
  if (!has('sock:sock_send_length') || !has('sock:sock_recv_length')) {
    if (!probes.kprobes.has('udp_sendmsg') || !probes.kprobes.has('udpv6_sendmsg')) {
      missing.push('no SEND and RECV events: the kernel has neither sock:sock_send_length (6.3 and later) nor kprobes');
      return [];
    }
    missing.push('no RECV events: the kernel has no tracepoint sock:sock_recv_length (6.3 and later)');
    return [sendProbes(), FLUSH];
  }
  // bpftrace wants a map written before it is read.
  const parts: string[] = [];
  for (const call of ['sendto', 'sendmsg', 'sendmmsg', 'recvfrom', 'recvmsg', 'recvmmsg']) {
    if (has(`syscalls:sys_enter_${call}`)) parts.push(callPart(call));
  }
  parts.push(sendPart(), receivePart());
  const exits = ['recvfrom', 'recvmsg', 'recvmmsg'].filter((call) => has(`syscalls:sys_exit_${call}`));
  if (exits.length > 0) parts.push(receivedPart(exits));
  return [...parts, FORGET, FLUSH];
}

/** Keeps where in the process's memory a call has the peer's address; of calls with several messages, that of the first. */
function callPart(call: string): string {
  const map = call.startsWith('send') ? '@to' : '@from';
  if (call === 'sendto' || call === 'recvfrom') {
    return `tracepoint:syscalls:sys_enter_${call} /(uint64)args->addr != 0/ { ${map}[tid] = (uint64)args->addr; }`;
  }
  const message = call.endsWith('mmsg')
    ? '$many = (struct mmsghdr *)uptr(args->mmsg); $name = (uint64)$many->msg_hdr.msg_name;'
    : '$message = (struct user_msghdr *)uptr(args->msg); $name = (uint64)$message->msg_name;';
  return `tracepoint:syscalls:sys_enter_${call} { ${message} if ($name != 0) { ${map}[tid] = $name; } }`;
}

const IN6 = 'in6_u.u6_addr32';
const halves = (address: string, at: number) => `((uint64)${address}[${at}] << 32) | (uint64)${address}[${at + 1}]`;

/** $sk's own facts into variables; addresses as they lie in memory. */
const ENDPOINT_VARIABLES = `$task = curtask; $family = (uint64)$sk->__sk_common.skc_family;
  $local0 = (uint64)0; $local1 = (uint64)0; $remote0 = (uint64)0; $remote1 = (uint64)0;
  $remoteport = (uint64)$sk->__sk_common.skc_dport;
  if ($family == ${AF_INET}) {
    $local1 = (uint64)$sk->__sk_common.skc_rcv_saddr; $remote1 = (uint64)$sk->__sk_common.skc_daddr;
  } else {
    $local0 = ${halves(`$sk->__sk_common.skc_v6_rcv_saddr.${IN6}`, 0)}; $local1 = ${halves(`$sk->__sk_common.skc_v6_rcv_saddr.${IN6}`, 2)};
    $remote0 = ${halves(`$sk->__sk_common.skc_v6_daddr.${IN6}`, 0)}; $remote1 = ${halves(`$sk->__sk_common.skc_v6_daddr.${IN6}`, 2)};
  }`;

/** The peer's address from the process's memory. An IPv4 address in an IPv6 socket's sum is told by the sum's third octet. */
function peerVariables(pointer: string): string {
  return `$peer = (struct sockaddr_in6 *)uptr(${pointer});
    $remoteport = (uint64)$peer->sin6_port;
    if ($peer->sin6_family == ${AF_INET}) {
      $remote0 = (uint64)0; $remote1 = (uint64)$peer->sin6_flowinfo;
      if ($family == ${AF_INET6}) { $family = (uint64)${AF_INET + 256}; }
    } else {
      $remote0 = ${halves(`$peer->sin6_addr.${IN6}`, 0)}; $remote1 = ${halves(`$peer->sin6_addr.${IN6}`, 2)};
    }`;
}

/** Adds octets to the half of the sums that is not being printed. */
function add(direction: 0 | 1, octets: string): string {
  const key = `${direction}, $who, $user, cgroup, (uint64)$sk->__sk_common.skc_net.net->ns.inum, (uint64)$sk->__sk_common.skc_cookie.counter, $ports, $local0, $local1, $remote0, $remote1, ${NAME}`;
  return `$who = ((uint64)pid << 32) | (uint64)$task->real_parent->tgid; $user = ((uint64)gid << 32) | (uint64)uid;
  $ports = ($family << 32) | ((uint64)$sk->__sk_common.skc_num << 16) | $remoteport;
  if (@half == 0) { @u[${key}] = sum(${octets}); } else { @v[${key}] = sum(${octets}); }`;
}

function sendPart(): string {
  return `tracepoint:sock:sock_send_length /args->protocol == ${UDP} && args->ret > 0/ {
  $sk = (struct sock *)args->sk;
  ${ENDPOINT_VARIABLES}
  $pointer = @to[tid];
  if ($remoteport == 0 && $pointer != 0) {
    ${peerVariables('$pointer')}
  }
  ${add(1, 'args->ret')}
}`;
}

// Of an unconnected socket the sender is known once the call has written it into the process's memory.
function receivePart(): string {
  return `tracepoint:sock:sock_recv_length /args->protocol == ${UDP} && args->ret > 0/ {
  $sk = (struct sock *)args->sk;
  if ($sk->__sk_common.skc_dport == 0 && @from[tid] != 0) {
    @socket[tid] = (uint64)args->sk; @octets[tid] = @octets[tid] + (uint64)args->ret;
  } else {
    ${ENDPOINT_VARIABLES}
    ${add(0, 'args->ret')}
  }
}`;
}

function receivedPart(calls: readonly string[]): string {
  const exits = calls.map((call) => `tracepoint:syscalls:sys_exit_${call}`).join(', ');
  return `${exits} /@from[tid] != 0/ {
  if (@socket[tid] != 0) {
    $sk = (struct sock *)@socket[tid];
    ${ENDPOINT_VARIABLES}
    $pointer = @from[tid];
    ${peerVariables('$pointer')}
    ${add(0, '@octets[tid]')}
    delete(@socket[tid]); delete(@octets[tid]);
  }
  delete(@from[tid]);
}`;
}

/** For kernels before 6.3. */
function sendProbes(): string {
  return `kprobe:udp_sendmsg, kprobe:udpv6_sendmsg {
  $sk = (struct sock *)arg0; $message = (struct msghdr *)arg1;
  ${ENDPOINT_VARIABLES}
  if ($remoteport == 0 && $message->msg_name != 0) {
    $peer = (struct sockaddr_in6 *)$message->msg_name;
    $remoteport = (uint64)$peer->sin6_port;
    if ($peer->sin6_family == ${AF_INET}) {
      $remote0 = (uint64)0; $remote1 = (uint64)$peer->sin6_flowinfo;
      if ($family == ${AF_INET6}) { $family = (uint64)${AF_INET + 256}; }
    } else {
      $remote0 = ${halves(`$peer->sin6_addr.${IN6}`, 0)}; $remote1 = ${halves(`$peer->sin6_addr.${IN6}`, 2)};
    }
  }
  ${add(1, 'arg2')}
}`;
}

// What a thread left when a call never returned.
const FORGET = `tracepoint:sched:sched_process_exit { ${['@to', '@from', '@socket', '@octets'].map((map) => `delete(${map}[tid]);`).join(' ')} }`;

// Printing takes time, in which the kernel goes on adding: to the other half.
const FLUSH = `interval:ms:${SUM_INTERVAL_MS} {
  if (@half == 0) { @half = 1; print(@u); clear(@u); } else { @half = 0; print(@v); clear(@v); }
}`;
