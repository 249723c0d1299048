/**
 * Why messages of ntop's ZeroMQ feeds, or parts of them, could not be taken. The first group costs the whole message; a TLV
 * fault costs the record it is in and those behind it; the JSON faults what follows in the message; the last a value.
 */
export const LISTEN_FAULTS = [
  'frame_count_invalid',
  'header_size_invalid',
  'header_version_invalid',
  'topic_unknown',
  'payload_empty',
  'inflate_failed',
  'inflate_too_large',
  'tlv_version_unsupported',
  'tlv_truncated',
  'tlv_type_unsupported',
  'record_too_long',
  'json_invalid',
  'json_too_deep',
  'record_shape_invalid',
  'value_invalid',
] as const;

/** One of {@link LISTEN_FAULTS}. */
export type ListenFault = (typeof LISTEN_FAULTS)[number];

/** Faults after which nothing of a message was taken. */
export const WHOLE_MESSAGE_FAULTS: ReadonlySet<ListenFault> = new Set<ListenFault>([
  'frame_count_invalid',
  'header_size_invalid',
  'header_version_invalid',
  'topic_unknown',
  'payload_empty',
  'inflate_failed',
  'inflate_too_large',
  'tlv_version_unsupported',
]);

/**
 * What one source of ntop's feeds (or all of them) sent and what became of it:
 * `messagesReceived = messagesDecoded + messagesDiscarded`.
 */
export class ListenCounters {
  messagesReceived = 0;
  messagesDecoded = 0;
  /** Messages thrown away whole. */
  messagesDiscarded = 0;
  octetsReceived = 0;
  /** Records that are flows or events. */
  flowRecords = 0;
  /** Interface counters. */
  countersRecords = 0;
  /** Names of values, topic `option`. */
  optionsRecords = 0;
  /** Messages that tell of the probe itself, topic `event`. */
  statusMessages = 0;
  templateMessages = 0;
  interfaceNameMessages = 0;
  listeningPortsMessages = 0;
  /** Topics `hello` and `message`, which hold nothing to take. */
  otherMessages = 0;
  /** Messages that their numbers say are missing. */
  messagesLost = 0;
  /** Messages that came again. */
  messagesRepeated = 0;
  /** Times the numbers began anew: the sender restarted. */
  restarts = 0;
  /** By reason. */
  readonly faults: Record<ListenFault, number> = Object.fromEntries(LISTEN_FAULTS.map((fault) => [fault, 0])) as Record<
    ListenFault,
    number
  >;
}
