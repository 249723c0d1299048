/**
 * UDP datagrams and IPFIX over TCP out of captured packets, of the outermost IP header: what a collector on the captured
 * host would have been given.
 */

import { LINK_RAW } from '../packet/link-type.ts';
import {
  FAULT_LINK_TYPE_UNKNOWN,
  FAULT_NONE,
  FAULT_TCP_DATA_OFFSET_INVALID,
  FAULT_TRUNCATED,
} from '../packet/packet-fault.ts';
import { PacketHeaders } from '../packet/packet-headers.ts';
import { parsePacket } from '../packet/parse-packet.ts';
import { AddressTextCache } from './address-text-cache.ts';
import type { CapturedPacket } from './capture-file.ts';
import { FragmentReassembler } from './fragment-reassembly.ts';
import type { TcpStreamHandler } from './tcp-reassembly.ts';
import { TcpReassembler } from './tcp-reassembly.ts';

/** One UDP payload as captured; one object serves all datagrams of an extractor. */
export class Datagram {
  /** The octets around the payload; positions count from its start. */
  view: DataView = new DataView(new ArrayBuffer(0));
  /** The same octets as {@link Datagram.view}, with the same positions. */
  octets: Uint8Array = new Uint8Array(this.view.buffer);
  /** First octet of the payload. */
  start = 0;
  /** End of the payload. */
  end = 0;
  /** Sender's address as text. */
  sourceAddress = '';
  /** Sender's UDP port. */
  sourcePort = 0;
  /** Receiver's address as text. */
  destinationAddress = '';
  /** Receiver's UDP port. */
  destinationPort = 0;
  /** When it was captured, in Unix milliseconds with a fraction; of a fragmented one, its last piece. */
  timeMs = 0;
}

/** Takes what is found; without a stream handler TCP is left alone. */
export interface DatagramHandler {
  /** One datagram, valid during the call only. */
  onDatagram(datagram: Datagram): void;
}

const TCP = 6;
const UDP = 17;
const UDP_HEADER_LENGTH = 8;
const MAX_IPV6_LENGTH = 65_575;

/**
 * Finds datagrams and streams in packets. Every packet read is counted once more:
 * `packetsRead` = `packetsUsedDatagram` + `packetsUsedFragment` + `packetsUsedStream` + `packetsIgnored…`.
 * Packets put together from fragments likewise: `fragments.packetsReassembled` = `reassembledUsed` + `reassembledIgnored`.
 * So `datagramsFound` = `packetsUsedDatagram` + datagrams among `reassembledUsed`.
 */
export class DatagramExtractor {
  /** Packets shown. */
  packetsRead = 0;
  /** Packets that are a datagram each. */
  packetsUsedDatagram = 0;
  /** Packets that are a fragment, taken to be put together; what becomes of it is in {@link DatagramExtractor.fragments}. */
  packetsUsedFragment = 0;
  /** Packets of a TCP stream, or of a connection of which it was not clear yet whether it is one. */
  packetsUsedStream = 0;
  /** Packets of a link type that is not read. */
  packetsIgnoredLinkType = 0;
  /** Packets without IP: ARP, spanning tree, … */
  packetsIgnoredNotIp = 0;
  /** Packets whose headers are wrong. */
  packetsIgnoredMalformed = 0;
  /** Packets of which the capture lacks something that matters. */
  packetsIgnoredTruncated = 0;
  /** Packets of other protocols than UDP, and TCP where streams are wanted; ICMP errors and the datagrams they quote too. */
  packetsIgnoredProtocol = 0;
  /** Packets to other ports than the chosen ones. */
  packetsIgnoredPort = 0;
  /** Datagrams whose UDP length is under 8 or over what the IP length leaves. */
  packetsIgnoredUdpLength = 0;
  /** Fragments that cannot be: no octets, a length that is no multiple of 8, past 64 KiB, against others of the packet. */
  packetsIgnoredFragment = 0;
  /** TCP segments with octets that are no IPFIX. */
  packetsIgnoredNotIpfix = 0;
  /** TCP segments without octets that belong to no stream: acknowledgements, connections opening and closing. */
  packetsIgnoredTcpControl = 0;
  /** Packets put together from fragments that gave a datagram or went to a stream. */
  reassembledUsed = 0;
  /** Packets put together from fragments that were left out. */
  reassembledIgnored = 0;
  /** Datagrams handed on. */
  datagramsFound = 0;
  /** Octets of UDP payload handed on. */
  octetsFound = 0;
  /** Fragments and what became of them. */
  readonly fragments: FragmentReassembler;
  /** TCP streams; undefined where none are wanted. */
  readonly streams: TcpReassembler | undefined;

  readonly #handler: DatagramHandler;
  readonly #ports: Uint8Array | undefined;
  readonly #headers = new PacketHeaders();
  readonly #datagram = new Datagram();
  readonly #addresses = new AddressTextCache();

  /**
   * Gives datagrams to `handler` and streams to `streamHandler`. With `ports` only those sent to one of them; without, every
   * datagram, and streams that start like IPFIX.
   */
  constructor(handler: DatagramHandler, streamHandler?: TcpStreamHandler, ports: readonly number[] = []) {
    this.#handler = handler;
    this.fragments = new FragmentReassembler();
    this.streams = streamHandler === undefined ? undefined : new TcpReassembler(streamHandler, ports.length > 0);
    if (ports.length > 0) {
      this.#ports = new Uint8Array(65_536);
      for (const port of ports) this.#ports[port] = 1;
    }
  }

  /** Takes a packet. */
  add(packet: CapturedPacket): void {
    this.packetsRead++;
    const headers = this.#headers;
    parsePacket(packet.view, packet.start, packet.end, packet.linkType, headers);
    const timeMs = packet.seconds * 1000 + packet.nanoseconds / 1e6;
    switch (this.#use(packet.view, packet.end, headers, timeMs, false)) {
      case USED_DATAGRAM:
        this.packetsUsedDatagram++;
        break;
      case USED_FRAGMENT:
        this.packetsUsedFragment++;
        break;
      case USED_STREAM:
        this.packetsUsedStream++;
        break;
      case IGNORED_LINK_TYPE:
        this.packetsIgnoredLinkType++;
        break;
      case IGNORED_NOT_IP:
        this.packetsIgnoredNotIp++;
        break;
      case IGNORED_TRUNCATED:
        this.packetsIgnoredTruncated++;
        break;
      case IGNORED_PROTOCOL:
        this.packetsIgnoredProtocol++;
        break;
      case IGNORED_PORT:
        this.packetsIgnoredPort++;
        break;
      case IGNORED_UDP_LENGTH:
        this.packetsIgnoredUdpLength++;
        break;
      case IGNORED_FRAGMENT:
        this.packetsIgnoredFragment++;
        break;
      case IGNORED_NOT_IPFIX:
        this.packetsIgnoredNotIpfix++;
        break;
      case IGNORED_TCP_CONTROL:
        this.packetsIgnoredTcpControl++;
        break;
      default:
        this.packetsIgnoredMalformed++;
    }
  }

  /** Ends streams and gives up unfinished fragments: the capture is over. */
  finish(): void {
    this.fragments.finish();
    this.streams?.finish();
  }

  /** Uses the packet `headers` describe and returns what became of it. */
  #use(view: DataView, end: number, headers: PacketHeaders, timeMs: number, isReassembled: boolean): number {
    if (headers.ipVersion === 0) {
      if (headers.fault === FAULT_NONE) return IGNORED_NOT_IP;
      if (headers.fault === FAULT_LINK_TYPE_UNKNOWN) return IGNORED_LINK_TYPE;
      return headers.fault === FAULT_TRUNCATED ? IGNORED_TRUNCATED : IGNORED_MALFORMED;
    }
    // What is whole again says nothing of fragments any more, so this ends after one round.
    if (headers.isFragment && !isReassembled) return this.#useFragment(view, end, headers, timeMs);
    if (headers.protocol === UDP) return this.#useDatagram(view, headers, timeMs);
    if (headers.protocol === TCP && this.streams !== undefined) return this.#useSegment(view, headers, timeMs);
    return isCut(headers) ? IGNORED_TRUNCATED : IGNORED_PROTOCOL;
  }

  #useFragment(view: DataView, end: number, headers: PacketHeaders, timeMs: number): number {
    // IPv6 may have extension headers after the fragment header, which only the first fragment shows.
    if (headers.ipVersion === 4 && headers.protocol !== UDP && headers.protocol !== TCP) return IGNORED_PROTOCOL;
    const fragments = this.fragments;
    switch (fragments.add(view, end, headers, timeMs)) {
      case 'held':
        return USED_FRAGMENT;
      case 'truncated':
        return IGNORED_TRUNCATED;
      case 'malformed':
        return IGNORED_FRAGMENT;
      default:
    }
    parsePacket(fragments.view, fragments.start, fragments.end, LINK_RAW, headers);
    const outcome = this.#use(fragments.view, fragments.end, headers, timeMs, true);
    if (outcome === USED_DATAGRAM || outcome === USED_STREAM) this.reassembledUsed++;
    else this.reassembledIgnored++;
    return USED_FRAGMENT;
  }

  #useDatagram(view: DataView, headers: PacketHeaders, timeMs: number): number {
    if (headers.transportAt < 0) return isCut(headers) ? IGNORED_TRUNCATED : IGNORED_MALFORMED;
    if (this.#ports !== undefined && this.#ports[headers.destinationPort] === 0) return IGNORED_PORT;
    const start = headers.transportAt + UDP_HEADER_LENGTH;
    let end = headers.transportAt + headers.udpLength;
    if (headers.udpLength === 0 && (headers.ipTotalLength === 0 || headers.ipTotalLength > MAX_IPV6_LENGTH)) {
      // A jumbogram (RFC 2675 section 4): the IP length holds.
      if (headers.payloadCut) return IGNORED_TRUNCATED;
      end = headers.payloadEnd;
    }
    if (start > headers.payloadEnd) return isCut(headers) ? IGNORED_TRUNCATED : IGNORED_UDP_LENGTH;
    if (end < start) return IGNORED_UDP_LENGTH;
    if (headers.ipTotalLength !== 0 && end > headers.networkAt + headers.ipTotalLength) return IGNORED_UDP_LENGTH;
    if (end > headers.payloadEnd) return IGNORED_TRUNCATED;
    const datagram = this.#datagram;
    if (datagram.view !== view) {
      datagram.view = view;
      datagram.octets = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    }
    datagram.start = start;
    datagram.end = end;
    datagram.sourceAddress = this.#sourceAddress(view, headers);
    datagram.sourcePort = headers.sourcePort;
    datagram.destinationAddress = this.#destinationAddress(view, headers);
    datagram.destinationPort = headers.destinationPort;
    datagram.timeMs = timeMs;
    this.datagramsFound++;
    this.octetsFound += end - start;
    this.#handler.onDatagram(datagram);
    return USED_DATAGRAM;
  }

  #useSegment(view: DataView, headers: PacketHeaders, timeMs: number): number {
    if (headers.transportAt < 0) return isCut(headers) ? IGNORED_TRUNCATED : IGNORED_MALFORMED;
    if (this.#ports !== undefined && this.#ports[headers.destinationPort] === 0) return IGNORED_PORT;
    if (headers.fault === FAULT_TCP_DATA_OFFSET_INVALID) return IGNORED_MALFORMED;
    // Of a segment that is cut nothing is used: to the stream it is as if it were missing.
    if (isCut(headers)) return IGNORED_TRUNCATED;
    if (headers.fault !== FAULT_NONE) return IGNORED_MALFORMED;
    const outcome = this.streams!.add(
      view,
      headers.payloadAt,
      headers.payloadEnd,
      headers,
      timeMs,
      this.#sourceAddress(view, headers),
      this.#destinationAddress(view, headers),
    );
    if (outcome === 'taken') return USED_STREAM;
    return outcome === 'not_ipfix' ? IGNORED_NOT_IPFIX : IGNORED_TCP_CONTROL;
  }

  #sourceAddress(view: DataView, headers: PacketHeaders): string {
    if (headers.ipVersion === 4) return this.#addresses.ofIPv4(headers.sourceIPv4);
    return this.#addresses.ofIPv6(view, headers.sourceIPv6At);
  }

  #destinationAddress(view: DataView, headers: PacketHeaders): string {
    if (headers.ipVersion === 4) return this.#addresses.ofIPv4(headers.destinationIPv4);
    return this.#addresses.ofIPv6(view, headers.destinationIPv6At);
  }
}

const USED_DATAGRAM = 0;
const USED_FRAGMENT = 1;
const USED_STREAM = 2;
const IGNORED_LINK_TYPE = 3;
const IGNORED_NOT_IP = 4;
const IGNORED_MALFORMED = 5;
const IGNORED_TRUNCATED = 6;
const IGNORED_PROTOCOL = 7;
const IGNORED_PORT = 8;
const IGNORED_UDP_LENGTH = 9;
const IGNORED_FRAGMENT = 10;
const IGNORED_NOT_IPFIX = 11;
const IGNORED_TCP_CONTROL = 12;

/** Whether the capture, not the packet, is what is too short. */
function isCut(headers: PacketHeaders): boolean {
  return headers.payloadCut || headers.fault === FAULT_TRUNCATED;
}
