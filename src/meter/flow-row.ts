/**
 * How a flow lies in the cache: rows of 64 words, four cache lines. A `…_US` value takes two words and holds a double,
 * microseconds since 1970; so do octet counts. Where there are values for the two directions, that from client to server is
 * first, or in the lower bits.
 */

/** Words of a row. */
export const ROW_WORDS = 64;

/** What a row is: the `STATE_…` bits, IP version << 16, protocol << 24. */
export const STATE = 0;
/** Hash of the key. */
export const HASH = 1;
/** Next row of the same timer bucket, or of the free list. */
export const NEXT = 2;
/** Previous row of the same timer bucket. */
export const PREVIOUS = 3;
/** Timer bucket the row waits in. */
export const BUCKET = 4;
/** Words of the key, at most {@link KEY_WORDS}. */
export const KEY = 5;
/** Room for the longest key. */
export const KEY_WORDS = 14;
/** TCP flags of all packets, 12 bits << 16 * direction. */
export const TCP_FLAGS = 19;
/** Packets. */
export const PACKETS = 20;
/** IP octets, a double each. */
export const OCTETS = 22;
/** First packet, a double each; 0 for none. */
export const FIRST_US = 26;
/** Last packet, a double each. */
export const LAST_US = 30;
/** Shortest IP packet, longest IP packet << 16, a word each; a jumbogram counts as 65535. */
export const LENGTHS = 34;
/** Lowest TTL, highest TTL << 8, all << 16 * direction. */
export const TTL = 36;
/** Fragments, 16 bits << 16 * direction; no more are counted than fit. */
export const FRAGMENTS = 37;
/** Type of service of the first packet, << 8 * direction, and ICMP type << 24, code << 16 of the flow's first. */
export const TOS_AND_ICMP = 38;
/** Number of the interface where the first packet came in. */
export const INTERFACE = 39;
/** Packets by size: the six classes of nProbe's histogram, of both directions. */
export const SIZES = 40;
/** MAC addresses, 6 octets each: the client's packets' source and destination. */
export const MACS = 46;
/** VLAN tags << 24, tunnel type << 16, MPLS labels << 8, VLAN priority, of the first packet. */
export const LINK = 49;
/** VLAN, inner VLAN << 12. */
export const VLANS = 50;
/** First MPLS label, lower 12 bits of the second << 20; then its upper 8 bits, the third << 8. */
export const LABELS = 51;
/** Tunnel identifier. */
export const TUNNEL_ID = 53;
/** Source address of the other packet of a tunnel: the outer where flows are those inside, else the inner; client to server. */
export const OTHER_SOURCE = 54;
/** Its destination address. */
export const OTHER_DESTINATION = 58;
/** Its source port << 16, destination port. */
export const OTHER_PORTS = 62;
/** Its IP version << 8, protocol; 0 for none. */
export const OTHER_PROTOCOL = 63;

/** {@link STATE}: the row holds a flow. */
export const STATE_USED = 1;
/** {@link STATE}: the client is the second endpoint of the key. */
export const STATE_CLIENT_IS_SECOND = 2;
/** {@link STATE}: the flow began with a SYN or SYN-ACK. */
export const STATE_SYN = 4;
/** {@link STATE}: FIN from the client; << 1 from the server. */
export const STATE_FIN = 8;
/** {@link STATE}: the flow is over and waits for stragglers. */
export const STATE_ENDED = 32;
/** {@link STATE}: MAC addresses were seen. */
export const STATE_MACS = 64;
