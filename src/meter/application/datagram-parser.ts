import { DETAIL } from './application-details.ts';
import { L7 } from './application-numbers.ts';
import { datagramApplication, gtpApplication, isRtcp, mayBeRtp } from './datagram-signatures.ts';
import { DhcpMessage } from './dhcp-message.ts';
import { DnsMessage } from './dns-message.ts';
import {
  type FlowFinding,
  STAGE_DNS_ANSWER,
  STAGE_QUIC,
  STAGE_RTP,
  STAGE_SERVER_HELLO,
  STAGE_SIP_STATUS,
  STAGE_START,
  STEP_DONE,
  STEP_NEXT,
  type Step,
} from './flow-finding.ts';
import { u32 } from './octet-text.ts';
import { PARSE_DONE, PARSE_NOT } from './parse-result.ts';
import { QuicInitial } from './quic-initial.ts';
import { REASSEMBLY_OCTETS, type ReassemblyPool } from './reassembly-pool.ts';
import { SipMessage } from './sip-message.ts';
import { dnsFinding } from './stream-parser.ts';
import { TlsHello } from './tls-hello.ts';

const PORT_DNS = 53;
const PORT_MDNS = 5353;
const PORT_LLMNR = 5355;
const PORT_NETBIOS_NAME = 137;
const PORT_NETBIOS_DATAGRAM = 138;
const PORTS_DHCP: ReadonlySet<number> = new Set([67, 68]);
const HANDSHAKE = 0x16;
const FROM_CLIENT = 0;
/** Where the user data of a NetBIOS datagram is: behind its header and two names of the usual length (RFC 1002 section 4.4). */
const NETBIOS_DATA_AT = 82;
const SMB_1 = 0xff534d42;
/**
 * Datagrams of a client whose Initials are decrypted, which takes longer than all else here: a ClientHello takes three at the
 * most, and may be sent again.
 */
const MAX_INITIALS = 6;
/** Questions that a resolver on another port sends are in this class alone. */
const MAX_STRAY_QUESTIONS = 1;

/** Reads datagrams of UDP. */
export class DatagramParser {
  private readonly hello = new TlsHello();
  private readonly dns = new DnsMessage();
  private readonly dhcp = new DhcpMessage();
  private readonly sip = new SipMessage();
  readonly quic: QuicInitial = new QuicInitial();
  private readonly buffers: ReassemblyPool;
  private slot = 0;
  private readonly receive = (offset: number, octets: Uint8Array, start: number, end: number): void => {
    // Offsets have 62 bits: what is not at the beginning is no part of a ClientHello.
    if (offset >= REASSEMBLY_OCTETS) return;
    let buffer = this.buffers.of(this.slot);
    if (buffer < 0) buffer = this.buffers.take(this.slot, FROM_CLIENT, 0);
    this.buffers.add(buffer, offset, octets, start, end);
  };

  /** `buffers` hold the CRYPTO streams of QUIC. */
  constructor(buffers: ReassemblyPool) {
    this.buffers = buffers;
  }

  /** Reads a datagram that one side sent. `seen` keeps a number for each side of the flow. */
  read(flow: FlowFinding, direction: number, octets: Uint8Array, start: number, end: number, seen: Uint32Array): Step {
    switch (flow.stage) {
      case STAGE_DNS_ANSWER:
        return this.dns.read(octets, start, end) ? this.dnsFound(flow) : STEP_NEXT;
      case STAGE_QUIC:
        return direction === FROM_CLIENT ? this.initial(flow, octets, start, end, seen) : STEP_NEXT;
      case STAGE_SERVER_HELLO:
        return this.serverHello(flow, octets, start, end);
      case STAGE_SIP_STATUS:
        return this.sip.read(octets, start, end) ? this.sipFound(flow, octets) : STEP_NEXT;
      case STAGE_RTP: {
        const step = this.secondOfRtp(flow, direction, octets, start, end, seen);
        return step === STEP_DONE ? step : this.first(flow, direction, octets, start, end, seen);
      }
      default:
        return this.first(flow, direction, octets, start, end, seen);
    }
  }

  private first(
    flow: FlowFinding,
    direction: number,
    octets: Uint8Array,
    start: number,
    end: number,
    seen: Uint32Array,
  ): Step {
    const { clientPort, serverPort } = flow;
    const named = this.nameService(flow, octets, start, end);
    if (named >= 0) return named as Step;
    if (PORTS_DHCP.has(serverPort) && this.dhcp.read(octets, start, end)) {
      flow.protocol(L7.dhcp);
      flow.text(DETAIL.dhcpClientName, octets, this.dhcp.hostNameAt, this.dhcp.hostNameEnd);
      if (this.dhcp.messageType > 0) flow.number(DETAIL.dhcpMessageType, this.dhcp.messageType);
      return STEP_DONE;
    }
    if (this.quic.isLongHeader(octets, start, end)) {
      flow.protocol(L7.quic);
      flow.stage = STAGE_QUIC;
      seen[flow.slot * 2] = 0;
      return direction === FROM_CLIENT ? this.initial(flow, octets, start, end, seen) : STEP_NEXT;
    }
    if (octets[start] === HANDSHAKE && this.firstDtls(flow, octets, start, end)) return STEP_NEXT;
    const octet = octets[start]!;
    if (octet >= 0x41 && octet <= 0x5a && this.sip.read(octets, start, end)) {
      flow.protocol(L7.sip);
      return this.sipFound(flow, octets);
    }
    const gtp = gtpApplication(octets, start, end, serverPort);
    if (gtp !== 0) {
      flow.protocol(gtp, L7.gtp);
      return STEP_DONE;
    }
    const application = datagramApplication(octets, start, end, clientPort, serverPort);
    if (application !== 0) {
      flow.protocol(application);
      return STEP_DONE;
    }
    if (isRtcp(octets, start, end)) {
      flow.protocol(L7.rtcp);
      return STEP_DONE;
    }
    if (mayBeRtp(octets, start, end, serverPort)) {
      seen[flow.slot * 2 + direction] = u32(octets, start + 8);
      flow.stage = STAGE_RTP;
      return STEP_NEXT;
    }
    return this.strayDns(flow, octets, start, end);
  }

  /** DNS and its relatives on their ports; -1 where it is none. */
  private nameService(flow: FlowFinding, octets: Uint8Array, start: number, end: number): Step | -1 {
    const { clientPort, serverPort } = flow;
    switch (serverPort) {
      case PORT_DNS:
      case PORT_MDNS:
      case PORT_LLMNR:
      case PORT_NETBIOS_NAME:
        break;
      case PORT_NETBIOS_DATAGRAM: {
        const kind = octets[start]!;
        if (end - start < 14 || kind < 0x10 || kind > 0x16) return -1;
        const isSmb = end - start >= NETBIOS_DATA_AT + 4 && u32(octets, start + NETBIOS_DATA_AT) === SMB_1;
        flow.protocol(isSmb ? L7.smb1 : L7.netbios, isSmb ? L7.netbios : 0);
        return STEP_DONE;
      }
      default:
        if (clientPort !== PORT_DNS && clientPort !== PORT_MDNS) return -1;
    }
    const port = serverPort === PORT_DNS || clientPort === PORT_DNS ? PORT_DNS : serverPort;
    if (!this.dns.read(octets, start, end)) return -1;
    if (port === PORT_NETBIOS_NAME) {
      flow.protocol(L7.netbios);
      if (this.dns.decodeNetbiosName()) flow.text(DETAIL.netbiosQueryName, this.dns.name, 0, this.dns.nameLength);
      return STEP_DONE;
    }
    flow.protocol(port === PORT_DNS ? L7.dns : port === PORT_LLMNR ? L7.llmnr : L7.mdns);
    return this.dnsFound(flow);
  }

  /** Answers of mDNS go to everyone: the flow is decided when there is a question. */
  private dnsFound(flow: FlowFinding): Step {
    const step = dnsFinding(flow, this.dns);
    if (flow.application !== L7.mdns) return step;
    return this.dns.nameLength > 0 ? STEP_DONE : STEP_NEXT;
  }

  /** A question on another port: it must be all that the datagram can be. */
  private strayDns(flow: FlowFinding, octets: Uint8Array, start: number, end: number): Step {
    const { dns } = this;
    if (!dns.read(octets, start, end) || dns.opcode !== 0 || dns.questions > MAX_STRAY_QUESTIONS) return STEP_NEXT;
    if (dns.nameLength < 4 || dns.type > 257 || dns.returnCode > 5 || dns.answers > 64) return STEP_NEXT;
    for (let i = 0; i < dns.nameLength; i++) if (dns.name[i]! < 0x21 || dns.name[i]! > 0x7e) return STEP_NEXT;
    flow.protocol(L7.dns);
    return this.dnsFound(flow);
  }

  private initial(flow: FlowFinding, octets: Uint8Array, start: number, end: number, seen: Uint32Array): Step {
    this.slot = flow.slot;
    const datagrams = seen[flow.slot * 2]! + 1;
    seen[flow.slot * 2] = datagrams;
    const unfinished = datagrams < MAX_INITIALS ? STEP_NEXT : STEP_DONE;
    this.quic.readClient(octets, start, end, this.receive);
    const buffer = this.buffers.of(flow.slot);
    if (buffer < 0) return unfinished;
    if (this.buffers.prefixStart(buffer) !== 0) return unfinished;
    const result = this.hello.readHandshake(this.buffers.octets(buffer), 0, this.buffers.prefixEnd(buffer));
    if (result === PARSE_DONE && this.hello.isClient) flow.hello(this.hello, L7.quic);
    if (result !== PARSE_DONE && result !== PARSE_NOT) return unfinished;
    return STEP_DONE;
  }

  private firstDtls(flow: FlowFinding, octets: Uint8Array, start: number, end: number): boolean {
    const result = this.hello.readDatagram(octets, start, end);
    if (result === PARSE_NOT) return false;
    flow.protocol(L7.dtls);
    if (result === PARSE_DONE) flow.hello(this.hello, L7.dtls);
    flow.stage = STAGE_SERVER_HELLO;
    return true;
  }

  private serverHello(flow: FlowFinding, octets: Uint8Array, start: number, end: number): Step {
    if (this.hello.readDatagram(octets, start, end) !== PARSE_DONE || this.hello.isClient) return STEP_NEXT;
    flow.hello(this.hello, L7.dtls);
    return STEP_DONE;
  }

  private sipFound(flow: FlowFinding, octets: Uint8Array): Step {
    const { sip } = this;
    flow.text(DETAIL.sipCallId, octets, sip.callIdAt, sip.callIdEnd);
    flow.text(DETAIL.sipCallingParty, octets, sip.fromAt, sip.fromEnd);
    flow.text(DETAIL.sipCalledParty, octets, sip.toAt, sip.toEnd);
    flow.stage = STAGE_SIP_STATUS;
    if (sip.status < 200) return STEP_NEXT;
    flow.number(DETAIL.sipResponseCode, sip.status);
    return STEP_DONE;
  }

  /** RTP is told by a second packet of the same source from the same side. */
  private secondOfRtp(
    flow: FlowFinding,
    direction: number,
    octets: Uint8Array,
    start: number,
    end: number,
    seen: Uint32Array,
  ): Step {
    if (!mayBeRtp(octets, start, end, flow.serverPort)) return STEP_NEXT;
    const source = u32(octets, start + 8);
    if (seen[flow.slot * 2 + direction] !== source || source === 0) return STEP_NEXT;
    flow.protocol(L7.rtp);
    flow.number(DETAIL.rtpSsrc, source);
    flow.stage = STAGE_START;
    return STEP_DONE;
  }
}
