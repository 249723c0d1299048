/**
 * How the state of a TCP flow lies in memory, by slot of the flow cache, in two rows. What every segment touches is one: a part for each
 * direction, that of the client's segments first. The other is what few segments change: what both directions share, then
 * counts for each. A `…_US` value takes two words and holds a double.
 */

/** Words of a row of what every segment touches: two cache lines of 64 octets. */
export const TCP_ROW_WORDS = 32;
/** Words of a direction's part. */
export const DIRECTION_WORDS = 16;

/** Time the highest sequence number rose last. */
export const NEXT_SEQUENCE_US = 0;
/** Time of the latest acknowledgement. */
export const ACKNOWLEDGED_US = 2;
/** Time of the segment whose acknowledgement is awaited; 0 for none. */
export const TIMED_US = 4;
/** Sequence number after the highest octet sent. */
export const NEXT_SEQUENCE = 6;
/** Acknowledgement number sent last. */
export const ACKNOWLEDGED = 7;
/** The bits below; window scale of the SYN << 8; its maximum segment size << 16. */
export const MARKS = 8;
/** Window sent last, unscaled. */
export const WINDOW = 9;
/** Acknowledgements in a row that say the same. */
export const DUPLICATE_ACKNOWLEDGEMENTS = 10;
/** Sequence number after the segment whose acknowledgement is awaited. */
export const TIMED_SEQUENCE = 11;
/** Timestamp of that segment (RFC 7323). */
export const TIMED_TIMESTAMP = 12;
/** Smoothed round-trip time of this direction's segments and their acknowledgements, in microseconds. */
export const ROUND_TRIP = 13;
/** Its variation, in microseconds. */
export const ROUND_TRIP_VARIANCE = 14;
/** Lowest window, highest << 16, unscaled. */
export const WINDOWS = 15;
/** Words of a row of the rest. */
export const TCP_REST_WORDS = 24;
/** Time of the latest SYN. */
export const SYN_US = 0;
/** Time of the latest SYN-ACK, while it {@link AWAITS_CLIENT}. */
export const SYN_ACK_US = 2;
/** Time of the client's latest payload, until the server sends some. */
export const REQUEST_US = 4;
/** Half the time from SYN-ACK to ACK, microseconds + 1; 0 for unknown. */
export const CLIENT_LATENCY = 6;
/** Half the time from SYN to SYN-ACK, microseconds + 1; 0 for unknown. */
export const SERVER_LATENCY = 7;
/** Time from the client's request to the answer, microseconds + 1; 0 for unknown. */
export const APPLICATION_LATENCY = 8;
/** Where the counts of the client's segments are. */
export const COUNTS = 9;
/** Words of a direction's counts. */
export const COUNT_WORDS = 7;

/** Of the counts: segments sent again. */
export const RETRANSMITTED_PACKETS = 0;
/** Octets of payload in them. */
export const RETRANSMITTED_OCTETS = 1;
/** Segments out of order. */
export const OUT_OF_ORDER = 2;
/** Gaps in the sequence numbers. */
export const LOST = 3;
/** Segments with a window of 0. */
export const ZERO_WINDOWS = 4;
/** Keep-alives, resets << 16; no more are counted than fit. */
export const KEEP_ALIVES_AND_RESETS = 5;
/** Sequence number of the latest SYN. */
export const SYN_SEQUENCE = 6;

/** {@link MARKS}: a segment was seen, so that {@link NEXT_SEQUENCE} counts. */
export const KNOWN_SEQUENCE = 1;
/** {@link MARKS}: an acknowledgement was seen. */
export const KNOWN_ACKNOWLEDGEMENT = 2;
/** {@link MARKS}: the awaited segment has a timestamp. */
export const KNOWN_TIMESTAMP = 4;
/** {@link MARKS}: {@link ROUND_TRIP} has a value. */
export const KNOWN_ROUND_TRIP = 8;
/** {@link MARKS}: {@link WINDOWS} has a value. */
export const KNOWN_WINDOWS = 16;
/** {@link MARKS} of the client: the server has sent payload, so that there is no application latency to find any more. */
export const KNOWN_ANSWER = 32;
/** {@link MARKS}: a SYN was seen. */
export const KNOWN_SYN = 64;
/** {@link MARKS} of the client: a SYN-ACK waits for its answer. */
export const AWAITS_CLIENT = 128;
