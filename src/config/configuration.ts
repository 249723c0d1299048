/** The commands an option belongs to. */
export type CommandName = 'collect' | 'convert' | 'listen' | 'probe' | 'agent' | 'replay' | 'ask';

/** Kinds of line a sink may be asked for. */
export const RECORD_KINDS = ['flow', 'event', 'discard', 'counters', 'options'] as const;

/** Levels of the log, the quietest first. */
export const LOG_LEVELS = ['error', 'warning', 'info', 'debug'] as const;

/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Everything that can be set, with defaults filled in. Each property is the option of the same name. */
export interface Configuration {
  /** Where to listen: `udp://ADDRESS:PORT` or `tcp://ADDRESS:PORT` (IPFIX); empty for the default. */
  readonly listen: readonly string[];
  /** Destination ports of a capture to take datagrams from; empty for all. */
  readonly port: readonly number[];
  /** Files to append lines to, `-` for standard output. */
  readonly json: readonly string[];
  /** Whose names the JSON keys are. */
  readonly names: 'ntop' | 'iana';
  /** Keys to print, all when empty. */
  readonly fields: readonly string[];
  /** Whether counters are multiplied by the sampling rate. */
  readonly upscale: boolean;
  /** Kinds of line to print. */
  readonly records: readonly (typeof RECORD_KINDS)[number][];
  /** Directories of further Information Element definitions. */
  readonly ieDefinitions: readonly string[];
  /** Files of Templates to know from the start. */
  readonly exporterTemplates: readonly string[];
  /** Whether all ports of an address share Templates, or each has its own. */
  readonly exporterKey: 'address' | 'session';
  /** Seconds after which a Template that was not announced again is forgotten; 0 for never. */
  readonly templateTimeout: number;
  /** Sampling rate to assume whatever Exporters say; 0 for none. */
  readonly samplingOverride: number;
  /** Whether readers and writers are generated as code. */
  readonly codeGeneration: boolean;
  /** Sessions kept. */
  readonly maxSessions: number;
  /** Fields of all Templates together. */
  readonly maxTemplateFields: number;
  /** Octets of Data Sets waiting for their Template. */
  readonly pendingOctets: number;
  /** Data Sets waiting for their Template. */
  readonly pendingSets: number;
  /** Seconds a Data Set may wait. */
  readonly pendingAge: number;
  /** Directory for learned Templates and options, `''` for none. */
  readonly stateDir: string;
  /** Address of the status page as `HOST:PORT`, or `off`. */
  readonly status: string;
  /** Octets of receive buffer asked for each UDP socket. */
  readonly receiveBuffer: number;
  /** Threads that share each UDP port. */
  readonly workers: number;
  /** Octets that may wait for a slow reader of the lines. */
  readonly queueOctets: number;
  /** ZeroMQ endpoints to publish at; empty for no feed. */
  readonly zmq: readonly string[];
  /** Whether endpoints are called, rather than bound. */
  readonly zmqConnect: boolean;
  /** Whether each flow goes to one endpoint, rather than to all. */
  readonly zmqBalance: boolean;
  /** What messages hold: what ntopng takes, or our own lines. */
  readonly zmqPayload: 'ntopng' | 'ndjson';
  /** Form of flows for ntopng. */
  readonly zmqFormat: 'tlv' | 'json';
  /** Keys of the JSON form. */
  readonly zmqKeys: 'numeric' | 'named';
  /** Form of the header of messages for ntopng: `1`, `2` or `3`. */
  readonly zmqHeader: '1' | '2' | '3';
  /** Whether payloads for ntopng are compressed where their header can say so. */
  readonly zmqCompress: boolean;
  /** Whether each subscriber is said hello to. */
  readonly zmqHello: boolean;
  /** Octets of flows in one message. */
  readonly zmqBatch: number;
  /** Public key of the collector in Z85 or hexadecimal, or `@` and a file that holds it; `''` for no encryption. */
  readonly zmqEncryptionKey: string;
  /** Secret key of `listen` in the same forms; `''` for none. */
  readonly zmqEncryptionKeyPriv: string;
  /** Messages kept for a subscriber that does not take them. */
  readonly zmqHighWaterMark: number;
  /** Which probe this is to ntopng; 0 for a number made of the host's name and the endpoints. */
  readonly zmqSourceId: number;
  /** Observation point given to all flows for ntopng; 0 for none. */
  readonly zmqObservationPoint: number;
  /** Collectors and files to export flows to: `udp://HOST:PORT`, `tcp://HOST:PORT` or a path; empty for none. */
  readonly export: readonly string[];
  /** Export protocol: NetFlow `5` or `9`, or `ipfix`. */
  readonly exportVersion: '5' | '9' | 'ipfix';
  /** Whether each flow goes to one destination, rather than to all. */
  readonly exportBalance: boolean;
  /** Whether options data is exported. */
  readonly exportOptions: boolean;
  /** Field selection by name, or a file that holds one; `''` for all fields. */
  readonly template: string;
  /** Field selection in nProbe's spelling; `''` for none. */
  readonly templateFields: string;
  /** Templates are sent again after so many datagrams; 0 for never. */
  readonly templateRefreshPackets: number;
  /** And after so many seconds; 0 for never. */
  readonly templateRefresh: number;
  /** Octets of an IP packet on the way to a collector. */
  readonly exportMtu: number;
  /** Datagrams a second to each collector; 0 for no limit. */
  readonly exportRate: number;
  /** InfluxDB servers to write time series to, as `http://HOST:PORT` or `https://…`; empty for none. */
  readonly influxdb: readonly string[];
  /** Database of InfluxDB 1.x. */
  readonly influxdbDatabase: string;
  /** User of InfluxDB 1.x, `''` for none. */
  readonly influxdbUser: string;
  /** Password of that user, or `@` and a file that holds it. */
  readonly influxdbPassword: string;
  /** Organisation of InfluxDB 2.x and later. */
  readonly influxdbOrg: string;
  /** Bucket of InfluxDB 2.x and later; `''` for the database's name. */
  readonly influxdbBucket: string;
  /** Token of InfluxDB 2.x and later, or `@` and a file that holds it; `''` for none. */
  readonly influxdbToken: string;
  /** File with the certificates that servers are checked against, `''` for those of Node.js. */
  readonly influxdbCa: string;
  /** Days that a database of InfluxDB 1.x keeps; 0 leaves one as it is. */
  readonly influxdbRetention: number;
  /** Whether each flow is a point too. */
  readonly influxdbFlows: boolean;
  /** Octets of points not yet confirmed that are kept, on disk with {@link Configuration.stateDir}. */
  readonly influxdbSpool: number;
  /** Numbers in the tag `ifid`: one for all, or one for each place to listen or interface, in their order. */
  readonly ifid: readonly number[];
  /** Seconds between points by family, as `host=60s`; ntopng's where a family is not named. */
  readonly seriesStep: readonly string[];
  /** Whether octets are spread over the steps a flow lived in, or all in its last. */
  readonly seriesSpread: 'on' | 'off';
  /** Seconds that a step waits for flows that come late. */
  readonly seriesDelay: number;
  /** Series kept at most. */
  readonly seriesMax: number;
  /** Series kept at most by family, as `host=50000`; a share of all where a family is not named. */
  readonly seriesFamilyMax: readonly string[];
  /** Whether a flow told by several Exporters, or in both directions, counts once or each time. */
  readonly seriesCount: 'once' | 'each';
  /** Networks whose hosts have series of their own. */
  readonly localNetworks: readonly string[];
  /** Interfaces to capture on. */
  readonly interface: readonly string[];
  /** Capture files to read. */
  readonly read: readonly string[];
  /** BPF filter, `''` for none. */
  readonly filter: string;
  /** Octets captured of each packet; 0 for all. */
  readonly snapLength: number;
  /** Octets of the kernel's buffer for captured packets. */
  readonly captureBuffer: number;
  /** Whether packets to other hosts are captured. */
  readonly promiscuous: boolean;
  /** What captures packets. */
  readonly captureWith: 'auto' | 'pcap' | 'tcpdump';
  /** Flows in the cache. */
  readonly maxFlows: number;
  /** Seconds after which a flow that goes on is reported. */
  readonly activeTimeout: number;
  /** Seconds without a packet after which a flow ends. */
  readonly idleTimeout: number;
  /** Whether each direction is a flow of its own. */
  readonly uniflow: boolean;
  /** What flows are told apart by, besides addresses, ports and protocol. */
  readonly flowKey: readonly ('vlan' | 'tunnel' | 'mac' | 'none')[];
  /** Whether flows are of the packets inside tunnels, or of those around. */
  readonly tunnels: 'inner' | 'outer';
  /** One packet in this many is metered. */
  readonly sample: number;
  /** Whether TCP connections are followed. */
  readonly tcpAnalysis: boolean;
  /** Whether payload is looked at for the application. */
  readonly applicationDetection: boolean;
  /** Whether flows are told with the processes, users and containers of this host that have their ends. */
  readonly processes: boolean;
  /** Sockets kept for that. */
  readonly processSockets: number;
  /** Seconds a socket is kept after its end. */
  readonly processKeep: number;
  /** Seconds between looks at the sockets. */
  readonly interval: number;
  /** Where sockets and events come from. */
  readonly agentMode: 'auto' | 'ebpf' | 'netlink' | 'proc';
  /** What an agent makes. */
  readonly agentRecords: readonly ('flows' | 'events' | 'counters')[];
  /** Whose names the nested records of events have. */
  readonly agentDialect: 'default' | 'ntopng';
  /** Whether records have the arguments of processes. */
  readonly agentCommandLines: boolean;
  /** Address by which readers know this host; `''` for that of the interface with the default route. */
  readonly agentAddress: string;
  /** Sockets of container engines besides the usual ones: `docker:PATH`, `containerd:PATH`, `crio:PATH`. */
  readonly containerSockets: readonly string[];
  /** How much is logged. */
  readonly logLevel: LogLevel;
}

/** The part of JSON Schema that options use. */
export interface ValueSchema {
  readonly type: 'string' | 'integer' | 'boolean' | 'array';
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly items?: ValueSchema;
}

/** One option: a JSON Schema of its value, with what the command line needs beside it. */
export interface OptionSchema extends ValueSchema {
  readonly description: string;
  readonly default: unknown;
  /** Says in words what {@link ValueSchema.pattern} asks for. */
  readonly expected?: string;
  /** Whether one text may hold several values with commas between; paths may hold commas of their own. */
  readonly splitsAtCommas?: boolean;
  /** What stands for the value in `--help`. */
  readonly placeholder?: string;
  /** Commands that have it as a flag. A configuration file may serve several commands and hold all of them. */
  readonly commands: readonly CommandName[];
  /** Whether a reload applies a new value. */
  readonly isReloadable: boolean;
}

const COLLECT = ['collect'] as const;
const BOTH = ['collect', 'convert'] as const;
/** Commands whose flows leave by the same sinks. */
const SINKS = ['collect', 'convert', 'listen', 'probe', 'agent'] as const;
const PROBE = ['probe'] as const;
const AGENT = ['agent'] as const;
/** Commands whose flows may get their owners on this host. */
const PROCESSES = ['collect', 'probe'] as const;
/** Commands that look at this host's sockets. */
const LOOKS = ['agent', 'collect', 'probe'] as const;
const MAX_OCTETS = 2 ** 40;

/** Every option by its name on the command line and in files; in the environment it is `FLOWRELAY_` and the name in capitals. */
export const OPTIONS = {
  listen: {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'string', pattern: '^(udp|tcp)://(\\[[0-9A-Fa-f:.]+(%[^\\]]+)?\\]|[^:/\\[\\]]+):[0-9]{1,5}$' },
    expected: 'udp://ADDRESS:PORT or tcp://ADDRESS:PORT',
    placeholder: 'URL',
    default: [],
    description:
      'Listen here: udp://ADDRESS:PORT for any protocol, tcp://ADDRESS:PORT for IPFIX; may be repeated [default: udp://[::]:2055]',
    commands: COLLECT,
    isReloadable: false,
  },
  port: {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'integer', minimum: 1, maximum: 65535 },
    placeholder: 'N[,N]',
    default: [],
    description: 'Take only datagrams to these ports',
    commands: ['convert', 'replay'],
    isReloadable: false,
  },
  json: {
    type: 'array',
    items: { type: 'string' },
    placeholder: 'FILE|-',
    default: [],
    description: 'Append lines to this file, - for standard output; may be repeated [default: -]',
    commands: SINKS,
    isReloadable: true,
  },
  names: {
    type: 'string',
    enum: ['ntop', 'iana'],
    default: 'ntop',
    description: 'Whose names the JSON keys are',
    commands: SINKS,
    isReloadable: true,
  },
  fields: {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'string', pattern: '^[^\\s",]{1,128}$' },
    expected: 'a key without spaces, commas and quotes',
    placeholder: 'KEY,KEY,…',
    default: [],
    description: 'Print only these keys [default: all]',
    commands: SINKS,
    isReloadable: true,
  },
  upscale: {
    type: 'boolean',
    default: false,
    description: 'Multiply octets and packets by the sampling rate',
    commands: SINKS,
    isReloadable: true,
  },
  records: {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'string', enum: RECORD_KINDS },
    placeholder: 'KIND,KIND,…',
    default: RECORD_KINDS,
    description: `Print only these kinds of line, of ${RECORD_KINDS.join(', ')} [default: all]`,
    commands: SINKS,
    isReloadable: true,
  },
  'ie-definitions': {
    type: 'array',
    items: { type: 'string', pattern: '.' },
    expected: 'a directory',
    placeholder: 'DIR',
    default: [],
    description: 'Read further Information Element definitions from the JSON files here; may be repeated',
    commands: SINKS,
    isReloadable: true,
  },
  'exporter-templates': {
    type: 'array',
    items: { type: 'string', pattern: '.' },
    expected: 'a file',
    placeholder: 'FILE',
    default: [],
    description: 'Know the Templates in this file from the start; may be repeated',
    commands: BOTH,
    isReloadable: true,
  },
  'exporter-key': {
    type: 'string',
    enum: ['address', 'session'],
    default: 'address',
    description: 'Whether all ports of an address share Templates and options, or each has its own',
    commands: BOTH,
    isReloadable: true,
  },
  'template-timeout': {
    type: 'integer',
    minimum: 0,
    maximum: 31_536_000,
    placeholder: 'SECONDS',
    default: 0,
    description: 'Forget a Template not announced again for this long; 0 for never',
    commands: BOTH,
    isReloadable: true,
  },
  'sampling-override': {
    type: 'integer',
    minimum: 0,
    maximum: 4_294_967_295,
    placeholder: 'N',
    default: 0,
    description: 'Take 1 in N as the sampling rate, whatever Exporters say; 0 for what they say',
    commands: BOTH,
    isReloadable: true,
  },
  'code-generation': {
    type: 'boolean',
    default: true,
    description: 'Generate code for each Template; slower without (--no-code-generation)',
    commands: SINKS,
    isReloadable: true,
  },
  'max-sessions': {
    type: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    placeholder: 'N',
    default: 16_384,
    description: 'Sessions kept; the least recently heard go first',
    commands: BOTH,
    isReloadable: true,
  },
  'max-template-fields': {
    type: 'integer',
    minimum: 1000,
    maximum: 100_000_000,
    placeholder: 'N',
    default: 1_000_000,
    description:
      'Fields kept of all different Templates together, 16 added for each and 4 for each Exporter that has it',
    commands: BOTH,
    isReloadable: true,
  },
  'pending-octets': {
    type: 'integer',
    minimum: 0,
    maximum: MAX_OCTETS,
    placeholder: 'OCTETS',
    default: 16_777_216,
    description: 'Octets of Data Sets that may wait for their Template',
    commands: BOTH,
    isReloadable: true,
  },
  'pending-sets': {
    type: 'integer',
    minimum: 0,
    maximum: 100_000_000,
    placeholder: 'N',
    default: 16_384,
    description: 'Data Sets that may wait for their Template',
    commands: BOTH,
    isReloadable: true,
  },
  'pending-age': {
    type: 'integer',
    minimum: 0,
    maximum: 31_536_000,
    placeholder: 'SECONDS',
    default: 1860,
    description: 'Longest a Data Set waits for its Template',
    commands: BOTH,
    isReloadable: true,
  },
  'state-dir': {
    type: 'string',
    placeholder: 'DIR',
    default: '',
    description: 'Keep learned Templates and options here across restarts, and points that InfluxDB has not confirmed',
    commands: SINKS,
    isReloadable: false,
  },
  status: {
    type: 'string',
    pattern: '^(off|(\\[[0-9A-Fa-f:.]+\\]|[^:/\\[\\]]+):[0-9]{1,5})$',
    expected: 'HOST:PORT or off',
    placeholder: 'HOST:PORT|off',
    default: '127.0.0.1:9155',
    description: 'Serve /metrics, /health, /exporters and /templates here',
    commands: ['collect', 'listen', 'probe', 'agent', 'ask'],
    isReloadable: false,
  },
  'receive-buffer': {
    type: 'integer',
    minimum: 4096,
    maximum: 2_147_483_647,
    placeholder: 'OCTETS',
    default: 33_554_432,
    description: 'Receive buffer to ask of the kernel for each UDP socket',
    commands: COLLECT,
    isReloadable: false,
  },
  workers: {
    type: 'integer',
    minimum: 1,
    maximum: 64,
    placeholder: 'N',
    default: 1,
    description: 'Share each UDP port over N threads, each Exporter port on one of them; needs Node 22.12 or later',
    commands: COLLECT,
    isReloadable: false,
  },
  'queue-octets': {
    type: 'integer',
    minimum: 1_048_576,
    maximum: MAX_OCTETS,
    placeholder: 'OCTETS',
    default: 67_108_864,
    description: 'Octets of lines that may wait for a slow reader before lines are dropped',
    commands: ['collect', 'listen', 'probe', 'agent'],
    isReloadable: true,
  },
  zmq: {
    type: 'array',
    splitsAtCommas: true,
    items: {
      type: 'string',
      pattern: '^((tcp|zmq)://(\\[[0-9A-Fa-f:.]+\\]|[^:/\\[\\]\\s]+):[0-9]{1,5}c?|ipc://[^\\s]+)$',
    },
    expected: 'tcp://ADDRESS:PORT, tcp://ADDRESS:PORTc or ipc://PATH',
    placeholder: 'ENDPOINT',
    default: [],
    description:
      'Publish flows here for ntopng: tcp://*:5556 to be called, tcp://HOST:PORTc to call a collector that binds; may be repeated',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-connect': {
    type: 'boolean',
    default: false,
    description: 'Call all ZeroMQ endpoints, as the trailing c does',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-balance': {
    type: 'boolean',
    default: false,
    description: 'Give each flow to one ZeroMQ endpoint, chosen by its peers, rather than to all',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-payload': {
    type: 'string',
    enum: ['ntopng', 'ndjson'],
    default: 'ntopng',
    description: 'Send what ntopng takes, or the JSON lines',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-format': {
    type: 'string',
    enum: ['tlv', 'json'],
    default: 'tlv',
    description: 'Form of flows for ntopng; a stock ntopng 6 takes tlv alone',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-keys': {
    type: 'string',
    enum: ['numeric', 'named'],
    default: 'numeric',
    description: 'Keys of the json form for ntopng',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-header': {
    type: 'string',
    enum: ['1', '2', '3'],
    default: '1',
    description: 'Form of message headers for ntopng: 1 for all since 4.0, 2 since 5.4, 3 since 6.2',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-compress': {
    type: 'boolean',
    default: false,
    description: 'Compress messages for ntopng; flows as tlv only with header 3',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-hello': {
    type: 'boolean',
    default: false,
    description: 'Say hello to each subscriber, on which ntopng sends its rules again',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-batch': {
    type: 'integer',
    minimum: 1024,
    maximum: 131_072,
    placeholder: 'OCTETS',
    default: 32_000,
    description: 'Octets of flows in one ZeroMQ message; ntopng 4 takes up to 32768',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-encryption-key': {
    type: 'string',
    pattern: '^(|@.+|[0-9A-Fa-f]{64}|[0-9A-Za-z.:+=^!/*?&<>()\\[\\]{}@%$#\\-]{40})$',
    expected: 'a key of 40 characters of Z85 or 64 hexadecimal digits, or @FILE',
    placeholder: 'KEY|@FILE',
    default: '',
    description:
      'Encrypt for the collector with this public key (zmq-key.pub of ntopng); listen without --zmq: for these publishers',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-encryption-key-priv': {
    type: 'string',
    pattern: '^(|@.+|[0-9A-Fa-f]{64}|[0-9A-Za-z.:+=^!/*?&<>()\\[\\]{}@%$#\\-]{40})$',
    expected: 'a key of 40 characters of Z85 or 64 hexadecimal digits, or @FILE',
    placeholder: 'KEY|@FILE',
    default: '',
    description:
      'Take feeds encrypted for this secret key, whose public key is in the log; a FILE that is not there is made',
    commands: ['listen'],
    isReloadable: false,
  },
  'zmq-high-water-mark': {
    type: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    placeholder: 'MESSAGES',
    default: 1000,
    description: 'Messages kept for a ZeroMQ subscriber that does not take them',
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-source-id': {
    type: 'integer',
    minimum: 0,
    maximum: 4_294_967_295,
    placeholder: 'N',
    default: 0,
    description: "Number of this probe at ntopng; 0 for one made of the host's name and the endpoints",
    commands: SINKS,
    isReloadable: false,
  },
  'zmq-observation-point': {
    type: 'integer',
    minimum: 0,
    maximum: 65_535,
    placeholder: 'N',
    default: 0,
    description: 'Observation point of all flows for ntopng, which then shows no others; 0 for none',
    commands: SINKS,
    isReloadable: false,
  },
  export: {
    type: 'array',
    items: {
      type: 'string',
      pattern: '^((udp|tcp)://(\\[[0-9A-Fa-f:.]+(%[^\\]]+)?\\]|[^:/\\[\\]]+):[0-9]{1,5}|(?![A-Za-z0-9+.]+://).+)$',
    },
    expected: 'udp://HOST:PORT, tcp://HOST:PORT or a file',
    placeholder: 'URL|FILE',
    default: [],
    description:
      'Export flows to this collector, udp://HOST:PORT or tcp://HOST:PORT (IPFIX), or append them to this IPFIX file; may be repeated',
    commands: SINKS,
    isReloadable: false,
  },
  'export-version': {
    type: 'string',
    enum: ['5', '9', 'ipfix'],
    default: 'ipfix',
    description: 'Export as NetFlow 5 or 9, or as IPFIX',
    commands: SINKS,
    isReloadable: false,
  },
  'export-balance': {
    type: 'boolean',
    default: false,
    description: 'Export each flow to one of several destinations, chosen by its peers, rather than to all',
    commands: SINKS,
    isReloadable: false,
  },
  'export-options': {
    type: 'boolean',
    default: true,
    description: 'Export options data too: sampling, names, the Exporter flows come from, statistics',
    commands: SINKS,
    isReloadable: false,
  },
  template: {
    type: 'string',
    placeholder: 'NAME|FILE',
    default: '',
    description:
      'Export the fields of this selection: default, ntopng, process, or a JSON file [default: all a flow has]',
    commands: SINKS,
    isReloadable: false,
  },
  'template-fields': {
    type: 'string',
    placeholder: "'%NAME %NAME…'",
    default: '',
    description: "Export these fields, in ntop's or IANA's names; @NAME@ stands for a selection",
    commands: SINKS,
    isReloadable: false,
  },
  'template-refresh-packets': {
    type: 'integer',
    minimum: 0,
    maximum: 1_000_000,
    placeholder: 'N',
    default: 1000,
    description: 'Export Templates and options data anew after so many datagrams of an Observation Domain; 0 for never',
    commands: SINKS,
    isReloadable: false,
  },
  'template-refresh': {
    type: 'integer',
    minimum: 0,
    maximum: 86_400,
    placeholder: 'SECONDS',
    default: 60,
    description: 'The same after so many seconds; 0 for never',
    commands: SINKS,
    isReloadable: false,
  },
  'export-mtu': {
    type: 'integer',
    minimum: 576,
    maximum: 65_535,
    placeholder: 'OCTETS',
    default: 1500,
    description: 'Export datagrams no longer than an IP packet of this size',
    commands: SINKS,
    isReloadable: false,
  },
  'export-rate': {
    type: 'integer',
    minimum: 0,
    maximum: 1_000_000,
    placeholder: 'N',
    default: 0,
    description: 'Export at most so many datagrams a second to each collector; 0 for no limit',
    commands: SINKS,
    isReloadable: false,
  },
  influxdb: {
    type: 'array',
    splitsAtCommas: true,
    items: {
      type: 'string',
      pattern: '^https?://(\\[[0-9A-Fa-f:.]+\\]|[^:/@?#\\[\\]\\s]+)(:[0-9]{1,5})?(/[^?#\\s]*)?$',
    },
    expected: 'http://HOST:PORT or https://HOST:PORT',
    placeholder: 'URL',
    default: [],
    description: 'Write time series to this InfluxDB 1.x, 2.x or 3.x, or VictoriaMetrics; may be repeated: to all',
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-database': {
    type: 'string',
    pattern: '^[^"\\\\\\x00-\\x1f]{1,255}$',
    expected: 'a name without quotes and controls',
    placeholder: 'NAME',
    default: 'ntopng',
    description: 'Database of InfluxDB 1.x, made where it is missing',
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-user': {
    type: 'string',
    placeholder: 'NAME',
    default: '',
    description: 'User of InfluxDB 1.x',
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-password': {
    type: 'string',
    placeholder: 'TEXT|@FILE',
    default: '',
    description: 'Password of that user; better in a file or in FLOWRELAY_INFLUXDB_PASSWORD',
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-org': {
    type: 'string',
    placeholder: 'NAME',
    default: '',
    description: 'Organisation of InfluxDB 2.x and later',
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-bucket': {
    type: 'string',
    placeholder: 'NAME',
    default: '',
    description: "Bucket of InfluxDB 2.x and later [default: the database's name]",
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-token': {
    type: 'string',
    placeholder: 'TOKEN|@FILE',
    default: '',
    description: 'Token of InfluxDB 2.x and later; better in a file or in FLOWRELAY_INFLUXDB_TOKEN',
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-ca': {
    type: 'string',
    placeholder: 'FILE',
    default: '',
    description: 'Check the certificates of https:// servers against those in this PEM file',
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-retention': {
    type: 'integer',
    minimum: 0,
    maximum: 36_500,
    placeholder: 'DAYS',
    default: 0,
    description:
      'Days that InfluxDB 1.x keeps; 0 leaves a database as it is, and makes one of 30, by convert one without end',
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-flows': {
    type: 'boolean',
    default: false,
    description: 'Write each flow as a point too',
    commands: SINKS,
    isReloadable: false,
  },
  'influxdb-spool': {
    type: 'integer',
    minimum: 1_048_576,
    maximum: MAX_OCTETS,
    placeholder: 'OCTETS',
    default: 1_073_741_824,
    description: 'Octets of points kept until InfluxDB confirms them, in --state-dir',
    commands: SINKS,
    isReloadable: false,
  },
  ifid: {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'integer', minimum: 0, maximum: 65_535 },
    placeholder: 'N[,N]',
    default: [0],
    description:
      'Number in the tag ifid of all series, or one for each --listen, ENDPOINT or --interface, in their order',
    commands: SINKS,
    isReloadable: false,
  },
  'series-step': {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'string', pattern: '^[a-z_0-9]+=[0-9]{1,6}[smh]?$' },
    expected: 'FAMILY=SECONDS, as host=60s',
    placeholder: 'FAMILY=SECONDS,…',
    default: [],
    description: "Seconds between points of a family (container, pod, iface, host, …) [default: ntopng's]",
    commands: SINKS,
    isReloadable: false,
  },
  'series-spread': {
    type: 'string',
    enum: ['on', 'off'],
    default: 'on',
    description: 'Spread the octets of a flow over the steps it lived in, or count all in its last as ntopng does',
    commands: SINKS,
    isReloadable: false,
  },
  'series-delay': {
    type: 'integer',
    minimum: 0,
    maximum: 86_400,
    placeholder: 'SECONDS',
    default: 90,
    description: 'Seconds that a step waits for flows that come late before its points are written',
    commands: SINKS,
    isReloadable: false,
  },
  'series-max': {
    type: 'integer',
    minimum: 100,
    maximum: 10_000_000,
    placeholder: 'N',
    default: 100_000,
    description: 'Series kept; what is over goes into one tagged other',
    commands: SINKS,
    isReloadable: false,
  },
  'series-family-max': {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'string', pattern: '^[a-z_0-9]+=[0-9]{1,9}$' },
    expected: 'FAMILY=N, as host=50000',
    placeholder: 'FAMILY=N,…',
    default: [],
    description: 'Series kept of a family [default: a share of all]',
    commands: SINKS,
    isReloadable: false,
  },
  'series-count': {
    type: 'string',
    enum: ['once', 'each'],
    default: 'once',
    description: 'Count a flow told by several Exporters or in both directions once, or each time',
    commands: SINKS,
    isReloadable: false,
  },
  'local-networks': {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'string', pattern: '^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$' },
    expected: 'ADDRESS/BITS',
    placeholder: 'PREFIX,…',
    default: [],
    description: 'Networks whose hosts have series of their own [default: the private ranges]',
    commands: SINKS,
    isReloadable: false,
  },
  interface: {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'string', pattern: '^[^\\s,/-][^\\s,/]{0,63}$' },
    expected: 'the name of an interface',
    placeholder: 'NAME',
    default: [],
    description: 'Capture on this interface, or any for all; may be repeated',
    commands: PROBE,
    isReloadable: false,
  },
  read: {
    type: 'array',
    items: { type: 'string', pattern: '.' },
    expected: 'a file',
    placeholder: 'FILE|-',
    default: [],
    description: 'Read the packets of this pcap or pcapng file, gzipped or not, - for standard input; may be repeated',
    commands: PROBE,
    isReloadable: false,
  },
  filter: {
    type: 'string',
    placeholder: 'BPF',
    default: '',
    description: 'Meter only packets that this filter of tcpdump takes; files need tcpdump for it',
    commands: PROBE,
    isReloadable: false,
  },
  'snap-length': {
    type: 'integer',
    minimum: 0,
    maximum: 262_144,
    placeholder: 'OCTETS',
    default: 2048,
    description: 'Octets to capture of each packet; 0 for all',
    commands: PROBE,
    isReloadable: false,
  },
  'capture-buffer': {
    type: 'integer',
    minimum: 65_536,
    maximum: 1_073_741_824,
    placeholder: 'OCTETS',
    default: 67_108_864,
    description: 'Buffer of the kernel for captured packets, for each interface',
    commands: PROBE,
    isReloadable: false,
  },
  promiscuous: {
    type: 'boolean',
    default: true,
    description: 'Capture packets to other hosts too (--no-promiscuous)',
    commands: PROBE,
    isReloadable: false,
  },
  'capture-with': {
    type: 'string',
    enum: ['auto', 'pcap', 'tcpdump'],
    default: 'auto',
    description: 'Capture with the package pcap, with tcpdump, or with what is there',
    commands: PROBE,
    isReloadable: false,
  },
  'max-flows': {
    type: 'integer',
    minimum: 16,
    maximum: 8_000_000,
    placeholder: 'N',
    default: 500_000,
    description: 'Flows held at once; when there are more the one that would end first is reported early',
    commands: PROBE,
    isReloadable: false,
  },
  'active-timeout': {
    type: 'integer',
    minimum: 1,
    maximum: 86_400,
    placeholder: 'SECONDS',
    default: 120,
    description: 'Report a flow that goes on after this long',
    commands: PROBE,
    isReloadable: false,
  },
  'idle-timeout': {
    type: 'integer',
    minimum: 1,
    maximum: 86_400,
    placeholder: 'SECONDS',
    default: 60,
    description: 'End a flow without a packet for this long',
    commands: PROBE,
    isReloadable: false,
  },
  uniflow: {
    type: 'boolean',
    default: false,
    description: 'Make each direction a flow of its own',
    commands: PROBE,
    isReloadable: false,
  },
  'flow-key': {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'string', enum: ['vlan', 'tunnel', 'mac', 'none'] },
    placeholder: 'vlan,tunnel,mac|none',
    default: ['vlan'],
    description: 'What tells flows apart besides addresses, ports and protocol [default: vlan]',
    commands: PROBE,
    isReloadable: false,
  },
  tunnels: {
    type: 'string',
    enum: ['inner', 'outer'],
    default: 'inner',
    description: 'Whether flows are of the packets inside tunnels, or of those around them',
    commands: PROBE,
    isReloadable: false,
  },
  sample: {
    type: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    placeholder: 'N',
    default: 1,
    description: 'Meter one packet in N',
    commands: PROBE,
    isReloadable: false,
  },
  'application-detection': {
    type: 'boolean',
    default: true,
    description: 'Find the application of a flow in its payload (--no-application-detection)',
    commands: PROBE,
    isReloadable: false,
  },
  'tcp-analysis': {
    type: 'boolean',
    default: true,
    description: 'Follow TCP connections: latencies, losses, windows (--no-tcp-analysis)',
    commands: PROBE,
    isReloadable: false,
  },
  processes: {
    type: 'boolean',
    default: false,
    description: "Name the process, user and container of each end of a flow that is this host's",
    commands: PROCESSES,
    isReloadable: false,
  },
  'process-sockets': {
    type: 'integer',
    minimum: 1000,
    maximum: 4_000_000,
    placeholder: 'N',
    default: 65_536,
    description: 'Sockets kept for that; those not seen for longest go first',
    commands: PROCESSES,
    isReloadable: false,
  },
  'process-keep': {
    type: 'integer',
    minimum: 10,
    maximum: 86_400,
    placeholder: 'SECONDS',
    default: 120,
    description: 'Keep a socket for so long after its end: flows are told later',
    commands: PROCESSES,
    isReloadable: false,
  },
  interval: {
    type: 'integer',
    minimum: 1,
    maximum: 3600,
    placeholder: 'SECONDS',
    default: 5,
    description: 'Look at the sockets this often',
    commands: LOOKS,
    isReloadable: false,
  },
  'agent-mode': {
    type: 'string',
    enum: ['auto', 'ebpf', 'netlink', 'proc'],
    default: 'auto',
    description:
      'Learn of connections by kernel events (bpftrace), by ss, or from /proc alone; auto takes all that is there, ebpf waits for the events to begin. What is missing is said, and done without',
    commands: LOOKS,
    isReloadable: false,
  },
  'agent-records': {
    type: 'array',
    splitsAtCommas: true,
    items: { type: 'string', enum: ['flows', 'events', 'counters'] },
    placeholder: 'flows,events,counters',
    default: ['flows', 'events', 'counters'],
    description:
      "Make flows, records of events and sockets as ntop's agents print them, counters of interfaces [default: all]",
    commands: AGENT,
    isReloadable: false,
  },
  'agent-dialect': {
    type: 'string',
    enum: ['default', 'ntopng'],
    default: 'default',
    description:
      'Names in records of events: those documented, or what ntopng 4 and 5 read, to which they go instead of flows with --zmq-format json',
    commands: AGENT,
    isReloadable: false,
  },
  'agent-command-lines': {
    type: 'boolean',
    default: false,
    description: 'Tell the arguments of processes, which may hold secrets',
    commands: LOOKS,
    isReloadable: false,
  },
  'agent-address': {
    type: 'string',
    pattern: '^([0-9A-Fa-f:.]{2,45})?$',
    expected: 'an IP address',
    placeholder: 'ADDRESS',
    default: '',
    description: 'Address by which readers know this host [default: that of the interface with the default route]',
    commands: AGENT,
    isReloadable: false,
  },
  'container-sockets': {
    type: 'array',
    items: { type: 'string', pattern: '^(docker|containerd|crio):/.+$' },
    expected: 'docker:PATH, containerd:PATH or crio:PATH',
    placeholder: 'ENGINE:PATH',
    default: [],
    description: 'Ask a container engine at this socket too: docker (and Podman), containerd or crio; may be repeated',
    commands: LOOKS,
    isReloadable: false,
  },
  'log-level': {
    type: 'string',
    enum: LOG_LEVELS,
    default: 'info',
    description: 'Log events of this weight and above',
    commands: ['collect', 'listen', 'probe', 'agent'],
    isReloadable: true,
  },
} as const satisfies Readonly<Record<string, OptionSchema>>;

/** Name of an option. */
export type OptionName = keyof typeof OPTIONS;

/** All option names, in the order of help. */
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** JSON Schema of a configuration file. */
export function configurationSchema(): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) {
    const { type, description, default: byDefault } = OPTIONS[name];
    const option: OptionSchema = OPTIONS[name];
    properties[name] = {
      type,
      description,
      default: byDefault,
      ...(option.enum && { enum: option.enum }),
      ...(option.minimum !== undefined && { minimum: option.minimum }),
      ...(option.maximum !== undefined && { maximum: option.maximum }),
      ...(option.pattern && { pattern: option.pattern }),
      ...(option.items && { items: option.items }),
    };
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    type: 'object',
    additionalProperties: false,
    properties,
  };
}
