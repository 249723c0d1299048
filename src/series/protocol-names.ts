/** IP protocols by the names that ntopng's series have (`l4proto`); all others are `other_ip`. */
const NAMES: readonly (readonly [number, string])[] = [
  [0, 'ip'],
  [1, 'icmp'],
  [2, 'igmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [41, 'ipv6'],
  [46, 'rsvp'],
  [47, 'gre'],
  [50, 'esp'],
  [58, 'icmpv6'],
  [88, 'eigrp'],
  [89, 'ospf'],
  [103, 'pim'],
  [112, 'vrrp'],
  [115, 'l2tp'],
  [132, 'sctp'],
  [139, 'hip'],
];

const OTHER = NAMES.length;
const SLOTS = new Uint8Array(256).fill(OTHER);
const OCTETS: readonly Uint8Array[] = [...NAMES.map(([, name]) => Buffer.from(name)), Buffer.from('other_ip')];
NAMES.forEach(([protocol], slot) => {
  SLOTS[protocol] = slot;
});

/** A small number for each protocol that has a name of its own, and one for all others. */
export function protocolSlot(protocol: number): number {
  return SLOTS[protocol & 0xff]!;
}

/** The name of a {@link protocolSlot}. */
export function protocolName(slot: number): Uint8Array {
  return OCTETS[slot]!;
}
