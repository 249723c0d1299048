/**
 * How a flow lies in the cache, in three rows: what every packet touches, what few do, and what few flows have. A `…_US` value
 * takes two words and holds a double, microseconds since 1970; so do octet counts. Where there are values for the two
 * directions, that from client to server is first, or in the lower bits.
 */

/** Words of a row of what every packet touches: two cache lines of 64 octets, which processors fetch together. */
export const ROW_WORDS = 32;

/** What a row is: the `STATE_…` bits, IP version << 16, protocol << 24. */
export const STATE = 0;
/** TCP flags of all packets, 12 bits << 16 * direction. */
export const TCP_FLAGS = 1;
/** First words of the key; as many as a key of IPv4 has by default. */
export const KEY = 2;
/** How many these are. */
export const KEY_FIRST_WORDS = 4;
/** Packets. */
export const PACKETS = 6;
/** IP octets, a double each. */
export const OCTETS = 8;
/** Last packet, a double each. */
export const LAST_US = 12;
/** First packet, a double each; 0 for none. */
export const FIRST_US = 16;
/** Shortest IP packet, longest IP packet << 16, a word each; a jumbogram counts as 65535. */
export const LENGTHS = 20;
/** Lowest TTL, highest TTL << 8, all << 16 * direction. */
export const TTL = 22;
/** Type of service of the first packet, << 8 * direction, and ICMP type << 24, code << 16 of the flow's first. */
export const TOS_AND_ICMP = 23;
/** Packets by size: the six classes of nProbe's histogram, of both directions. */
export const SIZES = 24;
/** Fragments, 16 bits << 16 * direction; no more are counted than fit. */
export const FRAGMENTS = 30;
/** Number of the interface where the first packet came in. */
export const INTERFACE = 31;

/** Words of a row of what a flow's first packet writes, and what its end asks for. */
export const REST_WORDS = 19;
/** Hash of the key. */
export const HASH = 0;
/** Next row of the same timer bucket, or of the free list. */
export const NEXT = 1;
/** Previous row of the same timer bucket. */
export const PREVIOUS = 2;
/** Timer bucket the row waits in. */
export const BUCKET = 3;
/** VLAN tags << 24, tunnel type << 16, MPLS labels << 8, VLAN priority, of the first packet. */
export const LINK = 4;
/** VLAN, inner VLAN << 12. */
export const VLANS = 5;
/** MAC addresses, 6 octets each: the client's packets' source and destination. */
export const MACS = 6;
/** The other words of the key. */
export const KEY_REST = 9;
/** Words of the longest key. */
export const KEY_WORDS = 14;

/** Words of a row of what flows with MPLS labels or a tunnel have. Those of others are not zero, nor anything else. */
export const TUNNEL_WORDS = 13;
/** First MPLS label, lower 12 bits of the second << 20; then its upper 8 bits, the third << 8. */
export const LABELS = 0;
/** Tunnel identifier. */
export const TUNNEL_ID = 2;
/** Source address of the other packet of a tunnel: the outer where flows are those inside, else the inner; client to server. */
export const OTHER_SOURCE = 3;
/** Its destination address. */
export const OTHER_DESTINATION = 7;
/** Its source port << 16, destination port. */
export const OTHER_PORTS = 11;
/** Its IP version << 8, protocol; 0 for none. */
export const OTHER_PROTOCOL = 12;

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
/** {@link STATE}: no further payload is of use to find the application. */
export const STATE_DECIDED = 128;
