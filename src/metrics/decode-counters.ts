/**
 * Why octets could not be decoded. Framing faults cost the message, set faults the rest of a set, record faults the rest of
 * a set or sample; nothing else is lost with them.
 */
export const DECODE_FAULTS = [
  'version_unsupported',
  'message_length_invalid',
  'record_count_invalid',
  'set_length_invalid',
  'set_id_reserved',
  'template_truncated',
  'template_id_reserved',
  'template_record_empty',
  'template_too_long',
  'template_limit',
  'scope_invalid',
  'record_truncated',
  'list_invalid',
  'sample_truncated',
  'sample_record_truncated',
  'agent_address_invalid',
] as const;

/** One of {@link DECODE_FAULTS}. */
export type DecodeFault = (typeof DECODE_FAULTS)[number];

/** What decoding a message, set or template came to. */
export type DecodeOutcome = 'ok' | DecodeFault;

const NO_FAULTS = Object.fromEntries(DECODE_FAULTS.map((fault) => [fault, 0])) as Record<DecodeFault, number>;

/** A zero for each fault. */
export function noFaults(): Record<DecodeFault, number> {
  return { ...NO_FAULTS };
}

/**
 * What one session (or all of them) received and what became of it. A message is one v9 Export Packet, IPFIX Message, v1, v5
 * or v7 datagram, or sFlow datagram: `messagesReceived = messagesDecoded + messagesDiscarded`. Template and set counts are
 * absolute since the session began.
 */
export class DecodeCounters {
  messagesReceived = 0;
  messagesDecoded = 0;
  /** Messages thrown away whole. */
  messagesDiscarded = 0;
  octetsReceived = 0;
  /** Records that are flows, events or discards. */
  flowRecords = 0;
  /** Records of Options Templates. */
  optionsRecords = 0;
  /** sFlow counters samples. */
  countersRecords = 0;
  /** sFlow samples of a kind or sFlow records of a structure that is not known; the latter are kept as octets. */
  unknownSamples = 0;
  unknownSampleRecords = 0;
  /** sFlow samples that the sequence numbers of their sources say are missing, in lost datagrams or dropped by the agent. */
  samplesLost = 0;
  /** Templates and Options Templates learned, changed and repeated. */
  templatesLearned = 0;
  templatesRedefined = 0;
  templatesRefreshed = 0;
  templatesWithdrawn = 0;
  /** Withdrawals over UDP, which do not count (RFC 7011 section 8.4). */
  withdrawalsIgnored = 0;
  /** Templates forgotten because a limit was reached. */
  templatesEvicted = 0;
  /** Templates not refreshed for the time `--template-timeout` sets. */
  templatesExpired = 0;
  /** Sets decoded by a Template that the same address and domain sent from another port. */
  templateBorrowed = 0;
  /** Data Sets that came before their Template: all of them, those still waiting are given by the pending sets themselves. */
  setsWithoutTemplate = 0;
  /** Of these: decoded once the Template came. */
  pendingDecoded = 0;
  /** Of these: dropped because a limit or the age was reached. */
  pendingDropped = 0;
  /** Octets behind the last set or record that belong to nothing, zero-filled or not. */
  trailingOctets = 0;
  /** Records (v1, v5, v7, IPFIX), packets (v9) or datagrams (sFlow) that sequence numbers say are missing. */
  sequenceLost = 0;
  /** Of these: came after all, late. What is really lost is the difference. */
  sequenceLate = 0;
  /** Messages that came later than their successor. */
  sequenceReordered = 0;
  /** Messages that came again. */
  sequenceDuplicates = 0;
  /** Times the numbers began anew: the Exporter restarted. */
  sequenceRestarts = 0;
  readonly faults: Record<DecodeFault, number> = noFaults();
}
