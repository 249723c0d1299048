import { formatIPv4, formatIPv6, formatMac } from '../../src/bytes/address.ts';
import { PACKET_FAULTS } from '../../src/packet/packet-fault.ts';
import type { PacketHeaders } from '../../src/packet/packet-headers.ts';
import type { Expected } from './frames.ts';

/** What `headers` say for the fields `expected` names, in the form of a frame's expectation. */
export function selectHeaders(view: DataView, headers: PacketHeaders, expected: Expected): Record<string, unknown> {
  const selected: Record<string, unknown> = {};
  for (const name of Object.keys(expected)) selected[name] = select(view, headers, name);
  return selected;
}

/** One field: text for addresses, the name for a fault. */
function select(view: DataView, headers: PacketHeaders, name: string): unknown {
  switch (name) {
    case 'source':
      return addressText(view, headers.ipVersion, headers.sourceIPv4, headers.sourceIPv6At);
    case 'destination':
      return addressText(view, headers.ipVersion, headers.destinationIPv4, headers.destinationIPv6At);
    case 'sourceMac':
      return headers.sourceMacAt < 0 ? '' : formatMac(view, headers.sourceMacAt);
    case 'destinationMac':
      return headers.destinationMacAt < 0 ? '' : formatMac(view, headers.destinationMacAt);
    case 'arpSender':
      return formatIPv4(headers.arpSenderIPv4);
    case 'arpTarget':
      return formatIPv4(headers.arpTargetIPv4);
    case 'mplsLabels':
      return [...headers.mplsLabels.subarray(0, headers.mplsLabelCount)];
    case 'fault':
      return PACKET_FAULTS[headers.fault];
    default:
      return headers[name as keyof PacketHeaders];
  }
}

/** Text of an address of either version, '' without one. */
export function addressText(view: DataView, version: number, ipv4: number, ipv6At: number): string {
  return version === 4 ? formatIPv4(ipv4) : version === 6 ? formatIPv6(view, ipv6At) : '';
}
