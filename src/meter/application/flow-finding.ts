import type { Detail } from './application-details.ts';
import { DETAIL, MAX_DETAIL_OCTETS } from './application-details.ts';
import { L7 } from './application-numbers.ts';
import type { DetailStore } from './detail-store.ts';
import { Ja4Table } from './ja4.ts';
import type { ServiceTable } from './service-table.ts';
import type { TlsHello } from './tls-hello.ts';

/** How the stage of a flow ends: with the next packet, */
export const STEP_NEXT = 0;
/** with more octets behind these, which are to be kept, */
export const STEP_MORE = 1;
/** or with this one: nothing more is of use. */
export const STEP_DONE = 2;

/** What a parser asks for after a packet. */
export type Step = typeof STEP_NEXT | typeof STEP_MORE | typeof STEP_DONE;

/** No packet of the flow was seen. */
export const STAGE_NEW = 0;
/** Nothing is recognised yet. */
export const STAGE_START = 1;
/** After a ClientHello. */
export const STAGE_SERVER_HELLO = 2;
/** After an HTTP request. */
export const STAGE_HTTP_STATUS = 3;
/** After a question of DNS. */
export const STAGE_DNS_ANSWER = 4;
/** Within a mail dialogue. */
export const STAGE_MAIL = 5;
/** After a greeting of SMTP or FTP. */
export const STAGE_GREETED = 6;
/** After the identification string of the client. */
export const STAGE_SSH_SERVER = 7;
/** Within the CRYPTO stream of QUIC. */
export const STAGE_QUIC = 8;
/** After one packet that may be RTP. */
export const STAGE_RTP = 9;
/** After a request of SIP. */
export const STAGE_SIP_STATUS = 10;
/** Decided, or given up. */
export const STAGE_DONE = 11;

/** The flow whose packet is being looked at: parsers put here what they find. */
export class FlowFinding {
  slot = 0;
  stage = STAGE_NEW;
  clientPort = 0;
  serverPort = 0;
  /** nDPI's number, 0 while unknown. */
  application = 0;
  /** What carries it where that is another, else 0. */
  master = 0;
  private readonly details: DetailStore;
  private readonly services: ServiceTable;
  private readonly fingerprints = new Ja4Table();
  private readonly names = new Uint8Array(MAX_DETAIL_OCTETS);

  constructor(details: DetailStore, services: ServiceTable) {
    this.details = details;
    this.services = services;
  }

  /** Decides for a protocol; {@link FlowFinding.service} may refine it. */
  protocol(application: number, master = 0): void {
    this.application = application;
    this.master = master;
  }

  /** Refines by the host's name: the service becomes the application, the protocol its master. */
  service(octets: Uint8Array, start: number, end: number): void {
    const service = this.services.find(octets, start, end);
    if (service === 0) return;
    this.master = this.application;
    this.application = service;
  }

  /** Keeps a text, unless the flow has one of this kind. */
  text(detail: Detail, octets: Uint8Array, start: number, end: number): void {
    if (start >= 0) this.details.text(this.slot, detail, octets, start, end);
  }

  /** Whether the flow has a detail already. */
  has(detail: Detail): boolean {
    return this.details.has(this.slot, detail);
  }

  /** Keeps a number; of several the last stays. */
  number(detail: Detail, value: number): void {
    this.details.number(this.slot, detail, value);
  }

  /** Keeps what a hello says. `protocol` is what it came over: `L7.tls`, `L7.quic`, `L7.dtls`. */
  hello(hello: TlsHello, protocol: number): void {
    this.number(DETAIL.tlsVersion, hello.version);
    if (!hello.isClient) {
      this.number(DETAIL.tlsCipher, hello.cipher);
      return;
    }
    const { octets, serverNameAt, serverNameEnd } = hello;
    this.text(DETAIL.tlsServerName, octets, serverNameAt, serverNameEnd);
    this.text(DETAIL.tlsAlpn, this.names, 0, alpnList(hello, this.names));
    const print = this.fingerprints.of(hello, protocol === L7.quic ? 'q' : protocol === L7.dtls ? 'd' : 't');
    this.text(DETAIL.ja4, print, 0, print.length);
    if (serverNameAt >= 0) this.service(octets, serverNameAt, serverNameEnd);
  }
}

/** Puts the names of the list into `list`, as many octets as it takes, with commas between them; how many they are. */
function alpnList({ octets, alpnAt, alpnEnd }: TlsHello, list: Uint8Array): number {
  if (alpnAt < 0) return 0;
  const first = alpnAt + 1;
  const length = Math.min(Math.max(alpnEnd - first, 0), list.length);
  for (let i = 0; i < length; i++) list[i] = octets[first + i]!;
  // Behind the first, each length becomes the comma.
  for (let at = octets[alpnAt]!; at < length; at += 1 + octets[first + at]!) list[at] = 0x2c;
  return length;
}
