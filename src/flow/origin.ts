/** Export protocols, as lines name them; `packets` for flows metered here, `agent` for flows of this host's sockets: nobody exported them. */
export type ExportProtocol = 'NetFlow' | 'IPFIX' | 'sFlow' | 'ntopng' | 'packets' | 'agent';

/**
 * Where the records of a datagram come from: what every line says besides the flow. One object lives as long as the decoder
 * and is overwritten; whoever keeps something derived from it compares {@link Origin.serial}.
 */
export class Origin {
  /** Grows whenever anything below has changed. */
  serial = 0;
  protocol: ExportProtocol = 'NetFlow';
  /** Version of the export protocol: 1, 5, 7, 9, 10 (IPFIX); 5 for sFlow, 0 to 3 for the headers of ntop's feeds, -1 for flows metered here and of sockets. */
  version = 0;
  /** Address the datagram came from, IPv4 or IPv6 text; this host's for flows of sockets, `''` for flows metered here. */
  exporterAddress = '';
  /** Port the datagram came from; -1 for flows metered here and of sockets. */
  exporterPort = 0;
  /** Observation Domain ID (IPFIX), Source ID (NetFlow v9) or source id (ntop's feeds); -1 where the protocol has none. */
  observationDomainId = -1;
  /** Engine type of NetFlow v5; -1 elsewhere. */
  engineType = -1;
  /** Engine id of NetFlow v5; -1 elsewhere. */
  engineId = -1;
  /** Agent address of an sFlow datagram, `''` elsewhere. */
  agentAddress = '';
  /** Sub-agent id of an sFlow datagram, -1 elsewhere. */
  subAgentId = -1;
  /** Template the record was read by; -1 where the protocol has none. */
  templateId = -1;
  /** Export time in Unix milliseconds; for sFlow, which has none, the time of arrival; for flows metered here that of the last packet, to the second. */
  exportTimeMs = 0;
  /** Sequence number of the datagram's header; -1 for NetFlow v1, which has none. */
  sequenceNumber = -1;

  /** Whether all is equal but what differs from set to set of one session: Template, time, sequence number and serial. */
  isOfSameSource(other: Origin): boolean {
    // Numbers first: they tell most sources apart, and unlike texts need not be read octet by octet.
    return (
      this.exporterPort === other.exporterPort &&
      this.observationDomainId === other.observationDomainId &&
      this.version === other.version &&
      this.engineType === other.engineType &&
      this.engineId === other.engineId &&
      this.subAgentId === other.subAgentId &&
      this.exporterAddress === other.exporterAddress &&
      this.protocol === other.protocol &&
      this.agentAddress === other.agentAddress
    );
  }

  /** Takes over all that {@link Origin.isOfSameSource} compares. */
  copySource(from: Origin): void {
    this.exporterAddress = from.exporterAddress;
    this.exporterPort = from.exporterPort;
    this.version = from.version;
    this.protocol = from.protocol;
    this.observationDomainId = from.observationDomainId;
    this.engineType = from.engineType;
    this.engineId = from.engineId;
    this.agentAddress = from.agentAddress;
    this.subAgentId = from.subAgentId;
  }
}

/** Keys under which a line prints an {@link Origin}. */
export interface OriginKey {
  readonly property: Exclude<keyof Origin, 'serial' | 'isOfSameSource' | 'copySource'>;
  readonly ntop: string;
  readonly iana: string;
  readonly type: 'text' | 'number' | 'time';
  readonly meaning: string;
}

/** In printing order. The exporter's address takes the IPv6 name where it is one. */
export const ORIGIN_KEYS: readonly OriginKey[] = [
  {
    property: 'exporterAddress',
    ntop: 'EXPORTER_IPV4_ADDRESS',
    iana: 'exporterIPv4Address',
    type: 'text',
    meaning: "address the datagram came from, the agent's own for its flows; EXPORTER_IPV6_ADDRESS for IPv6",
  },
  {
    property: 'exporterPort',
    ntop: 'EXPORTER_TRANSPORT_PORT',
    iana: 'exporterTransportPort',
    type: 'number',
    meaning: 'port the datagram came from',
  },
  {
    property: 'protocol',
    ntop: 'EXPORT_PROTOCOL',
    iana: 'exportProtocol',
    type: 'text',
    meaning:
      "NetFlow, IPFIX, sFlow, ntopng for ntop's ZeroMQ feeds, packets for flows metered here, agent for those of this host's sockets",
  },
  {
    property: 'version',
    ntop: 'EXPORT_PROTOCOL_VERSION',
    iana: 'exportProtocolVersion',
    type: 'number',
    meaning: 'its version; form of the header for ntopng',
  },
  {
    property: 'observationDomainId',
    ntop: 'OBSERVATION_DOMAIN_ID',
    iana: 'observationDomainId',
    type: 'number',
    meaning: 'Observation Domain ID, Source ID of NetFlow v9, or source id of ntopng',
  },
  {
    property: 'engineType',
    ntop: 'ENGINE_TYPE',
    iana: 'engineType',
    type: 'number',
    meaning: 'engine type of NetFlow v5',
  },
  { property: 'engineId', ntop: 'ENGINE_ID', iana: 'engineId', type: 'number', meaning: 'engine id of NetFlow v5' },
  {
    property: 'agentAddress',
    ntop: 'SFLOW_AGENT_ADDRESS',
    iana: 'sflowAgentAddress',
    type: 'text',
    meaning: 'sFlow agent',
  },
  {
    property: 'subAgentId',
    ntop: 'SFLOW_SUB_AGENT_ID',
    iana: 'sflowSubAgentId',
    type: 'number',
    meaning: 'sFlow sub-agent',
  },
  {
    property: 'templateId',
    ntop: 'TEMPLATE_ID',
    iana: 'templateId',
    type: 'number',
    meaning: 'Template the record was read by',
  },
  {
    property: 'exportTimeMs',
    ntop: 'EXPORT_TIME_MILLISECONDS',
    iana: 'exportTimeMilliseconds',
    type: 'time',
    meaning: 'export time, Unix milliseconds; for sFlow the time of arrival',
  },
  {
    property: 'sequenceNumber',
    ntop: 'EXPORT_SEQUENCE_NUMBER',
    iana: 'exportSequenceNumber',
    type: 'number',
    meaning: 'sequence number of the datagram',
  },
];
