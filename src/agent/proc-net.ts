/**
 * Sockets as the text files of /proc/PID/net show them (proc_net_tcp, Linux Documentation/networking/proc_net_tcp.rst): those of the
 * network namespace of that process, without TCP's figures, readable without being root.
 */

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { formatIPv4 } from '../bytes/address.ts';
import { formatEitherIP } from './inet-diag.ts';
import { type SocketEntry, TCP_STATES } from './socket-entry.ts';

const IS_LITTLE_ENDIAN = endianness() === 'LE';

/** Which of the files: their names. */
export type ProcNetFile = 'tcp' | 'tcp6' | 'udp' | 'udp6';

/** Rows have some 150 octets; what is longer is none. */
const LONGEST_ROW_OCTETS = 1024;
const BUFFER_OCTETS = 65_536;
/** After so many octets other work has its turn: some 2 ms. */
const OCTETS_PER_TURN = 131_072;

/** Slot, addresses and ports, state, three groups of queues and timers, user, time-out, inode. */
const ROW =
  /^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{2}) \S+ \S+ \S+ +(\d{1,10}) +\d+ +(\d{1,16}) /;

/** What reading a file came to. */
export interface ProcNetResult {
  /** False where the file could not be read, or not to its end. */
  isWhole: boolean;
  /** Rows that say something else than a row does. */
  rowsInvalid: number;
  /** Sockets not taken because there were too many. */
  socketsBeyondLimit: number;
}

/**
 * Adds the sockets of `file` in `directory` (`/proc/PID/net`) to `sockets` until it holds `maxSockets`. A file that is missing, goes
 * away or holds something else is told in the result, never thrown.
 */
export async function readProcNet(
  directory: string,
  file: ProcNetFile,
  namespace: number,
  sockets: SocketEntry[],
  maxSockets: number,
): Promise<ProcNetResult> {
  const result: ProcNetResult = { isWhole: false, rowsInvalid: 0, socketsBeyondLimit: 0 };
  let descriptor: number;
  try {
    descriptor = openSync(`${directory}/${file}`, 'r');
  } catch {
    return result;
  }
  const protocol = file.startsWith('tcp') ? 6 : 17;
  const buffer = Buffer.allocUnsafe(BUFFER_OCTETS);
  const takeRow = (row: string) => {
    const entry = readRow(row, protocol, namespace);
    if (entry === undefined) result.rowsInvalid++;
    else if (sockets.length >= maxSockets) result.socketsBeyondLimit++;
    else sockets.push(entry);
  };
  let rest = '';
  let isHeading = true;
  try {
    for (let octetsOfTurn = 0; ; ) {
      const length = readSync(descriptor, buffer, 0, BUFFER_OCTETS, null);
      if (length === 0) break;
      const rows = (rest + buffer.toString('latin1', 0, length)).split('\n');
      rest = rows.pop() ?? '';
      for (const row of rows) {
        if (isHeading) isHeading = false;
        else takeRow(row);
      }
      if (rest.length > LONGEST_ROW_OCTETS) {
        result.rowsInvalid++;
        return result;
      }
      octetsOfTurn += length;
      if (octetsOfTurn >= OCTETS_PER_TURN) {
        octetsOfTurn = 0;
        await nextTurn();
      }
    }
    if (rest !== '' && !isHeading) takeRow(rest);
    result.isWhole = true;
  } catch {
    // The process ended while its file was read: what came before that is right all the same.
  } finally {
    closeSync(descriptor);
  }
  return result;
}

/** The socket of one row, undefined where it is none. */
function readRow(row: string, protocol: 6 | 17, namespace: number): SocketEntry | undefined {
  const match = row.length > LONGEST_ROW_OCTETS ? null : ROW.exec(row);
  if (match === null) return undefined;
  const [, local = '', localPort = '', remote = '', remotePort = '', state = '', user = '', inodeText = ''] = match;
  if (local.length !== remote.length) return undefined;
  const userId = Number(user);
  const inode = Number(inodeText);
  return {
    namespace,
    protocol,
    localAddress: addressOfWords(local),
    localPort: Number.parseInt(localPort, 16),
    remoteAddress: addressOfWords(remote),
    remotePort: Number.parseInt(remotePort, 16),
    state: TCP_STATES[Number.parseInt(state, 16)] ?? 'UNKNOWN',
    // As in the kernel's answers: without an inode 0 is no user.
    userId: inode === 0 && userId === 0 ? -1 : userId,
    inode,
    cookie: '',
    cgroupId: 0,
    tcp: undefined,
  };
}

const words = new DataView(new ArrayBuffer(16));

/** Text of an address printed as one or four 32-bit numbers, each in the host's byte order. */
function addressOfWords(text: string): string {
  for (let i = 0; i < text.length / 8; i++) {
    words.setUint32(4 * i, Number.parseInt(text.slice(8 * i, 8 * i + 8), 16), IS_LITTLE_ENDIAN);
  }
  return text.length === 8 ? formatIPv4(words.getUint32(0)) : formatEitherIP(words, 0);
}

/** How much the sockets of a network namespace did, by the counters of /proc/PID/net: cheap to read, unlike the tables. */
export interface NamespaceActivity {
  /** Whether there is a TCP socket at all. */
  readonly hasTcp: boolean;
  /** Whether there is a UDP socket that is bound. */
  readonly hasUdp: boolean;
  /** Changes whenever a TCP segment went in or out, or their number changed. */
  readonly tcpMark: string;
}

/**
 * Reads the activity of the namespace of `directory` from `sockstat`, `sockstat6` and `snmp` (RFC 4022's counters, which Linux keeps per
 * namespace and for both address families); undefined where one is missing or does not say it.
 */
export function readNamespaceActivity(directory: string): NamespaceActivity | undefined {
  try {
    const sockstat = readFileSync(`${directory}/sockstat`, 'latin1');
    const tcp = /^TCP: inuse (\d+) .*?\btw (\d+)/m.exec(sockstat);
    const udp = /^UDP: inuse (\d+)/m.exec(sockstat);
    const counters = /^Tcp: [-\d ]+$/m.exec(readFileSync(`${directory}/snmp`, 'latin1'));
    if (tcp === null || udp === null || counters === null) return undefined;
    // Without IPv6 there is no such file.
    const sockstat6 = readIfThere(`${directory}/sockstat6`);
    const tcp6 = /^TCP6: inuse (\d+)/m.exec(sockstat6)?.[1] ?? '0';
    const udp6 = /^UDP6: inuse (\d+)/m.exec(sockstat6)?.[1] ?? '0';
    const [, inUse = '', timeWait = ''] = tcp;
    return {
      hasTcp: Number(inUse) > 0 || Number(timeWait) > 0 || Number(tcp6) > 0,
      hasUdp: Number(udp[1]) > 0 || Number(udp6) > 0,
      tcpMark: `${inUse} ${timeWait} ${tcp6} ${counters[0]}`,
    };
  } catch {
    return undefined;
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
