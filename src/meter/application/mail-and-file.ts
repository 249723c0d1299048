/** SMTP, FTP, POP3 and IMAP: told by the server's greeting, or by the client's first command where that was not seen. */

import { L7 } from './application-numbers.ts';
import {
  ascii,
  containsAnyCase,
  firstOctetsOf,
  indexOfOctet,
  prefixOf,
  prefixOfAnyCase,
  startsWith,
  startsWithAnyCase,
} from './octet-text.ts';

const SMTP_WORD = ascii('smtp');
const FTP_WORD = ascii('ftp');
const SMTP_COMMANDS = ['ehlo ', 'helo ', 'lhlo ', 'mail from:', 'rcpt to:', 'starttls\r', 'ehlo\r'].map(ascii);
const FTP_COMMANDS = ['feat\r', 'syst\r', 'auth tls', 'auth ssl', 'port ', 'pasv\r', 'epsv', 'type i', 'type a'].map(
  ascii,
);
const POP_COMMANDS = ['capa\r', 'apop ', 'stls\r', 'uidl', 'retr '].map(ascii);
const IMAP_COMMANDS = ['capability\r', 'login ', 'authenticate ', 'starttls\r', 'id (', 'noop\r', 'select '].map(ascii);
const POP_OK = ascii('+OK');
const POP_ERROR = ascii('-ERR');
const IMAP_GREETINGS = ['* OK', '* PREAUTH', '* BYE'].map(ascii);
const USER = ascii('user ');
const COMMAND_FIRSTS = firstOctetsOf([...SMTP_COMMANDS, ...FTP_COMMANDS, ...POP_COMMANDS, USER]);
const PORT_FTP = 21;
const PORT_POP3 = 110;
const SMTP_PORTS: ReadonlySet<number> = new Set([25, 465, 587, 2525]);
const LF = 0x0a;
const SPACE = 0x20;

/** {@link greetingApplication}: SMTP or FTP; the client's first command will tell. */
export const SMTP_OR_FTP = -1;

/** The protocol of a server's greeting; 0 for none of these. */
export function greetingApplication(octets: Uint8Array, start: number, end: number, serverPort: number): number {
  if (startsWith(octets, start, end, POP_OK)) return L7.pop3;
  if (startsWith(octets, start, end, POP_ERROR) && serverPort === PORT_POP3) return L7.pop3;
  if (prefixOf(octets, start, end, IMAP_GREETINGS) >= 0) return L7.imap;
  if (!isReply(octets, start, end)) return 0;
  const lineEnd = indexOfOctet(octets, start, end, LF);
  const textEnd = lineEnd < 0 ? end : lineEnd;
  if (containsAnyCase(octets, start, textEnd, SMTP_WORD)) return L7.smtp;
  if (containsAnyCase(octets, start, textEnd, FTP_WORD)) return L7.ftpControl;
  if (SMTP_PORTS.has(serverPort)) return L7.smtp;
  return serverPort === PORT_FTP ? L7.ftpControl : SMTP_OR_FTP;
}

/** The protocol of a client's command; 0 for none of these. */
export function commandApplication(octets: Uint8Array, start: number, end: number, serverPort: number): number {
  if (COMMAND_FIRSTS[octets[start]!] === 1) {
    if (isOneOf(SMTP_COMMANDS, octets, start, end)) return L7.smtp;
    if (isOneOf(FTP_COMMANDS, octets, start, end)) return L7.ftpControl;
    if (isOneOf(POP_COMMANDS, octets, start, end)) return L7.pop3;
    if (startsWithAnyCase(octets, start, end, USER)) {
      return serverPort === PORT_POP3 ? L7.pop3 : serverPort === PORT_FTP ? L7.ftpControl : 0;
    }
  }
  const tagEnd = indexOfOctet(octets, start, Math.min(end, start + 16), SPACE);
  return tagEnd > start && isOneOf(IMAP_COMMANDS, octets, tagEnd + 1, end) ? L7.imap : 0;
}

/** 220 or 120 or 421 or 554, then a blank or a hyphen (RFC 5321 section 4.2, RFC 959 section 5.4). */
function isReply(octets: Uint8Array, start: number, end: number): boolean {
  if (end - start < 4 || (octets[start + 3] !== SPACE && octets[start + 3] !== 0x2d)) return false;
  const code = (octets[start]! - 0x30) * 100 + (octets[start + 1]! - 0x30) * 10 + octets[start + 2]! - 0x30;
  return code === 220 || code === 120 || code === 421 || code === 554;
}

function isOneOf(texts: readonly Uint8Array[], octets: Uint8Array, start: number, end: number): boolean {
  return prefixOfAnyCase(octets, start, end, texts) >= 0;
}
