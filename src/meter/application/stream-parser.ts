import { DETAIL } from './application-details.ts';
import { L7 } from './application-numbers.ts';
import { DnsMessage } from './dns-message.ts';
import {
  type FlowFinding,
  STAGE_DNS_ANSWER,
  STAGE_GREETED,
  STAGE_HTTP_STATUS,
  STAGE_MAIL,
  STAGE_SERVER_HELLO,
  STAGE_SSH_SERVER,
  STAGE_START,
  STEP_DONE,
  STEP_MORE,
  STEP_NEXT,
  type Step,
} from './flow-finding.ts';
import { HttpRequest, httpStatus } from './http-message.ts';
import { commandApplication, greetingApplication, SMTP_OR_FTP } from './mail-and-file.ts';
import { ascii, indexOfOctet, prefixOfAnyCase, startsWithAnyCase, u16 } from './octet-text.ts';
import { PARSE_DONE, PARSE_MORE } from './parse-result.ts';
import { SipMessage } from './sip-message.ts';
import { streamApplication } from './stream-signatures.ts';
import { TlsHello } from './tls-hello.ts';

const PORT_DNS = 53;
const PORT_IPP = 631;
const FROM_SERVER = 1;
const MAIL_FROM = ascii('mail from:');
const RECIPIENT = ascii('rcpt to:');
const MAIL_ENDS = ['data\r', 'bdat ', 'starttls\r', 'quit\r'].map(ascii);
const LF = 0x0a;
const CR = 0x0d;
const LESS_THAN = 0x3c;
const GREATER_THAN = 0x3e;
const HANDSHAKE = 0x16;

/** Protocols that are TLS on a port of their own (RFC 8314, RFC 7858). */
const TLS_PORTS: ReadonlyMap<number, number> = new Map([
  [465, L7.smtps],
  [853, L7.dohDot],
  [993, L7.imaps],
  [995, L7.pops],
]);

/** Reads the beginning of TCP streams, one packet or what was put together of several. */
export class StreamParser {
  private readonly hello = new TlsHello();
  private readonly http = new HttpRequest();
  private readonly dns = new DnsMessage();
  private readonly sip = new SipMessage();

  /**
   * Reads `octets[start, end)`, which one side sent: of a flow's first octets, all that is known. `isFinal`: there
   * will be no more of them.
   */
  read(flow: FlowFinding, direction: number, octets: Uint8Array, start: number, end: number, isFinal: boolean): Step {
    switch (flow.stage) {
      case STAGE_SERVER_HELLO:
        return direction === FROM_SERVER ? this.serverHello(flow, octets, start, end, isFinal) : STEP_NEXT;
      case STAGE_HTTP_STATUS:
        return direction === FROM_SERVER ? status(flow, octets, start, end) : STEP_NEXT;
      case STAGE_DNS_ANSWER:
        return this.dnsMessage(flow, octets, start, end, isFinal);
      case STAGE_MAIL:
        return direction === FROM_SERVER ? STEP_NEXT : mail(flow, octets, start, end);
      case STAGE_GREETED:
        return direction === FROM_SERVER ? STEP_NEXT : this.command(flow, octets, start, end);
      case STAGE_SSH_SERVER:
        if (direction !== FROM_SERVER) return STEP_NEXT;
        line(flow, octets, start, end);
        return STEP_DONE;
      default:
        return this.first(flow, direction, octets, start, end, isFinal);
    }
  }

  private first(
    flow: FlowFinding,
    direction: number,
    octets: Uint8Array,
    start: number,
    end: number,
    isFinal: boolean,
  ): Step {
    const octet = octets[start]!;
    if (octet === HANDSHAKE) {
      const step = this.firstHello(flow, octets, start, end, isFinal);
      if (step >= 0) return step as Step;
    }
    if (octet >= 0x41 && octet <= 0x5a) {
      const step = this.firstLine(flow, direction, octets, start, end, isFinal);
      if (step >= 0) return step as Step;
    }
    if (flow.serverPort === PORT_DNS) return this.dnsMessage(flow, octets, start, end, isFinal);
    if (direction === FROM_SERVER) {
      const greeting = greetingApplication(octets, start, end, flow.serverPort);
      if (greeting !== 0) return this.greeting(flow, greeting, octets, start, end);
    } else {
      const command = commandApplication(octets, start, end, flow.serverPort);
      if (command !== 0) return this.command(flow, octets, start, end);
    }
    const application = streamApplication(octets, start, end, direction === FROM_SERVER, flow.serverPort);
    if (application === 0) return STEP_NEXT;
    flow.protocol(application);
    if (application === L7.bittorrent) infoHash(flow, octets, start, end);
    if (application !== L7.ssh) return STEP_DONE;
    if (direction === FROM_SERVER) line(flow, octets, start, end);
    flow.stage = direction === FROM_SERVER ? STAGE_START : STAGE_SSH_SERVER;
    return direction === FROM_SERVER ? STEP_DONE : STEP_NEXT;
  }

  /** -1 where it is no TLS. */
  private firstHello(flow: FlowFinding, octets: Uint8Array, start: number, end: number, isFinal: boolean): Step | -1 {
    const result = this.hello.readRecords(octets, start, end);
    const { serverPort } = flow;
    if (result === PARSE_MORE) {
      if (end - start >= 6 && flow.application === 0) flow.protocol(TLS_PORTS.get(serverPort) ?? L7.tls);
      return isFinal ? STEP_DONE : STEP_MORE;
    }
    if (result !== PARSE_DONE) return -1;
    flow.protocol(TLS_PORTS.get(serverPort) ?? L7.tls);
    flow.hello(this.hello, L7.tls);
    if (!this.hello.isClient) return STEP_DONE;
    flow.stage = STAGE_SERVER_HELLO;
    return STEP_NEXT;
  }

  private serverHello(flow: FlowFinding, octets: Uint8Array, start: number, end: number, isFinal: boolean): Step {
    const result = this.hello.readRecords(octets, start, end);
    if (result === PARSE_MORE && !isFinal) return STEP_MORE;
    if (result === PARSE_DONE && !this.hello.isClient) flow.hello(this.hello, L7.tls);
    return STEP_DONE;
  }

  /** A first line of HTTP or SIP; -1 where it is none. */
  private firstLine(
    flow: FlowFinding,
    direction: number,
    octets: Uint8Array,
    start: number,
    end: number,
    isFinal: boolean,
  ): Step | -1 {
    if (httpStatus(octets, start, end) > 0) {
      flow.protocol(L7.http);
      return status(flow, octets, start, end);
    }
    if (this.sip.read(octets, start, end)) {
      flow.protocol(L7.sip);
      flow.text(DETAIL.sipCallId, octets, this.sip.callIdAt, this.sip.callIdEnd);
      flow.text(DETAIL.sipCallingParty, octets, this.sip.fromAt, this.sip.fromEnd);
      flow.text(DETAIL.sipCalledParty, octets, this.sip.toAt, this.sip.toEnd);
      return STEP_DONE;
    }
    if (direction === FROM_SERVER) return -1;
    const result = this.http.read(octets, start, end, isFinal);
    if (result === PARSE_MORE) return STEP_MORE;
    if (result !== PARSE_DONE) return -1;
    this.request(flow, octets, start);
    flow.stage = STAGE_HTTP_STATUS;
    return isFinal ? STEP_DONE : STEP_NEXT;
  }

  private request(flow: FlowFinding, octets: Uint8Array, start: number): void {
    const { http } = this;
    if (http.isWebSocket) flow.protocol(L7.webSocket);
    else if (http.isOcsp) flow.protocol(L7.ocsp, L7.http);
    else if (http.isConnect) flow.protocol(L7.httpConnect, L7.http);
    else if (http.isAbsolute) flow.protocol(L7.httpProxy, L7.http);
    else flow.protocol(flow.serverPort === PORT_IPP ? L7.ipp : L7.http);
    flow.text(DETAIL.httpMethod, octets, start, http.methodEnd);
    flow.text(DETAIL.httpUrl, octets, http.targetAt, http.targetEnd);
    flow.text(DETAIL.httpHost, octets, http.hostAt, http.hostEnd);
    flow.text(DETAIL.httpUserAgent, octets, http.userAgentAt, http.userAgentEnd);
    if (http.hostAt >= 0 && flow.application === L7.http) flow.service(octets, http.hostAt, http.hostEnd);
  }

  private greeting(flow: FlowFinding, application: number, octets: Uint8Array, start: number, end: number): Step {
    line(flow, octets, start, end);
    if (application === SMTP_OR_FTP) {
      flow.stage = STAGE_GREETED;
      return STEP_NEXT;
    }
    flow.protocol(application);
    if (application !== L7.smtp) return STEP_DONE;
    flow.stage = STAGE_MAIL;
    return STEP_NEXT;
  }

  private command(flow: FlowFinding, octets: Uint8Array, start: number, end: number): Step {
    const application = commandApplication(octets, start, end, flow.serverPort);
    if (application === 0) return STEP_NEXT;
    flow.protocol(application);
    if (application !== L7.smtp) return STEP_DONE;
    flow.stage = STAGE_MAIL;
    return mail(flow, octets, start, end);
  }

  /** DNS over TCP: messages behind their length (RFC 1035 section 4.2.2). */
  private dnsMessage(flow: FlowFinding, octets: Uint8Array, start: number, end: number, isFinal: boolean): Step {
    const length = end - start >= 2 ? u16(octets, start) : 0;
    if (length < 12) return isFinal || end - start >= 2 ? STEP_DONE : STEP_MORE;
    if (start + 2 + length > end && !isFinal) return STEP_MORE;
    if (!this.dns.read(octets, start + 2, Math.min(end, start + 2 + length))) return STEP_DONE;
    if (flow.application === 0) flow.protocol(L7.dns);
    return dnsFinding(flow, this.dns);
  }
}

/** Keeps the question and the answer of a message of DNS. */
export function dnsFinding(flow: FlowFinding, dns: DnsMessage): Step {
  // A resolver may ask for both kinds of address from one port: the first question stays.
  if (dns.nameLength > 0 && !flow.has(DETAIL.dnsQuery)) {
    flow.text(DETAIL.dnsQuery, dns.name, 0, dns.nameLength);
    flow.number(DETAIL.dnsQueryType, dns.type);
    if (flow.application === L7.dns) flow.service(dns.name, 0, dns.nameLength);
  }
  flow.stage = STAGE_DNS_ANSWER;
  if (!dns.isResponse) return STEP_NEXT;
  flow.number(DETAIL.dnsReturnCode, dns.returnCode);
  flow.number(DETAIL.dnsAnswers, dns.answers);
  return STEP_DONE;
}

/** The status of a response; an interim one waits for the next (RFC 9110 section 15.2). */
function status(flow: FlowFinding, octets: Uint8Array, start: number, end: number): Step {
  const code = httpStatus(octets, start, end);
  if (code > 0) flow.number(DETAIL.httpReturnCode, code);
  flow.stage = STAGE_HTTP_STATUS;
  return code >= 100 && code < 200 && code !== 101 ? STEP_NEXT : STEP_DONE;
}

/** Sender and first recipient (RFC 5321 section 4.1.1); what comes with the mail is not looked at. */
function mail(flow: FlowFinding, octets: Uint8Array, start: number, end: number): Step {
  for (let at = start; at < end; ) {
    const lineEnd = indexOfOctet(octets, at, end, LF);
    const to = lineEnd < 0 ? end : lineEnd;
    if (startsWithAnyCase(octets, at, to, MAIL_FROM))
      path(flow, DETAIL.smtpMailFrom, octets, at + MAIL_FROM.length, to);
    else if (startsWithAnyCase(octets, at, to, RECIPIENT)) {
      path(flow, DETAIL.smtpRecipient, octets, at + RECIPIENT.length, to);
      return STEP_DONE;
    } else if (prefixOfAnyCase(octets, at, to, MAIL_ENDS) >= 0) return STEP_DONE;
    at = to + 1;
  }
  return STEP_NEXT;
}

/** The address within angle brackets. */
function path(
  flow: FlowFinding,
  detail: typeof DETAIL.smtpMailFrom | typeof DETAIL.smtpRecipient,
  octets: Uint8Array,
  start: number,
  end: number,
): void {
  const from = indexOfOctet(octets, start, end, LESS_THAN);
  const to = from < 0 ? -1 : indexOfOctet(octets, from, end, GREATER_THAN);
  if (to >= 0) flow.text(detail, octets, from + 1, to);
}

/** The first line, which says what software the server is. */
function line(flow: FlowFinding, octets: Uint8Array, start: number, end: number): void {
  let to = indexOfOctet(octets, start, end, LF);
  if (to < 0) to = end;
  if (to > start && octets[to - 1] === CR) to--;
  flow.text(DETAIL.l7Info, octets, start, to);
}

/** The info hash of a handshake (BEP 3): behind the protocol's name and eight reserved octets. */
function infoHash(flow: FlowFinding, octets: Uint8Array, start: number, end: number): void {
  if (end - start < 48) return;
  const hash = Buffer.from(Buffer.from(octets.subarray(start + 28, start + 48)).toString('hex'), 'latin1');
  flow.text(DETAIL.bittorrentHash, hash, 0, hash.length);
}
