import { createRequire } from 'node:module';
import { formatHex } from '../bytes/address.ts';
import { GenerationPolicy } from '../bytes/generation-policy.ts';
import { NetflowDecoder } from '../decode/netflow-decoder.ts';
import { PendingSets } from '../decode/pending-sets.ts';
import { restoreTemplate, type SavedTemplate, saveTemplate } from '../decode/saved-template.ts';
import type { ObservationDomain, Session } from '../decode/session.ts';
import { DEFAULT_SESSION_LIMITS, type ExporterKey, SessionTable } from '../decode/session-table.ts';
import { SflowDecoder } from '../decode/sflow.ts';
import { Flow } from '../flow/flow.ts';
import { Origin } from '../flow/origin.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { loadDefinitionDirectory } from '../ie/definition-file.ts';
import { loadBuiltInRegistry } from '../ie/registry.ts';
import type { DecodeCounters, DecodeOutcome } from '../metrics/decode-counters.ts';
import { DomainOptions, OptionBudget } from '../normalize/domain-options.ts';
import { domainOptions } from '../normalize/flow-reader.ts';
import { PacketSections } from '../normalize/packet-sections.ts';
import { PlanBudget } from '../normalize/plan-budget.ts';
import { NormalizingReaders } from '../normalize/reader-factory.ts';
import { addOptions, restoreOptions, type SavedOptions, saveOptions } from '../normalize/saved-options.ts';
import { SflowNormalizer } from '../normalize/sflow-normalizer.ts';
import { exporterTemplateFile } from './exporter-templates.ts';
import { SAVED_STATE_SCHEMA } from './saved-state-schema.ts';
import type { KnowledgeChanges, SavedKnowledge } from './state-keeper.ts';

/** What decoding depends on; times in milliseconds. */
export interface DecodingOptions {
  /** Directories with a user's definitions of Information Elements. */
  readonly ieDefinitions: readonly string[];
  readonly exporterKey: ExporterKey;
  /** Templates not announced for so long are forgotten; 0 for never. */
  readonly templateTimeoutMs: number;
  /** Sampling interval that replaces what Exporters say; 0 for none. */
  readonly samplingOverride: number;
  readonly codeGeneration: boolean;
  /** Records of a Template read by steps before its reader is compiled; by default as {@link GenerationPolicy} says. */
  readonly compileAfter?: number | undefined;
  readonly maxSessions: number;
  readonly maxTemplateFields: number;
  readonly pendingOctets: number;
  readonly pendingSets: number;
  readonly pendingAgeMs: number;
  /** Files with Templates of Exporters that send none, or too seldom. */
  readonly templateFiles: readonly string[];
}

/** Default limits: a few thousand Exporters, and under 300 MB whatever comes. */
export const DEFAULT_DECODING_OPTIONS: DecodingOptions = {
  ieDefinitions: [],
  ...DEFAULT_SESSION_LIMITS,
  templateTimeoutMs: 0,
  samplingOverride: 0,
  codeGeneration: true,
  pendingOctets: 16 * 1024 * 1024,
  pendingSets: 16_384,
  pendingAgeMs: 1_860_000,
  templateFiles: [],
};

/** Octets of a datagram kept for the report of a fault of ours. */
const REPORTED_OCTETS = 64;
const SFLOW_VERSION = 5;

/** A session's Templates, and what its domain's options data told, as they are saved and told to other threads. */
export interface SavedSession {
  readonly version: number;
  readonly address: string;
  readonly port: number;
  readonly domain: number;
  readonly agent: string;
  readonly lastSeenMs: number;
  readonly templates: readonly SavedTemplate[];
  /** What its domain's options data told; with the first session of the domain only. */
  readonly options?: SavedOptions;
}

/** Saved state as a whole. */
export interface SavedState {
  readonly format: 1;
  readonly sessions: readonly SavedSession[];
}

/** Octets in, records out: all protocols, with the state they need. */
export class Decoding implements SavedKnowledge {
  readonly sessions: SessionTable;
  /** Messages that met a fault of this program; the first octets and error of the last one stay in `lastInternalError`. */
  internalErrors = 0;
  lastInternalError = '';
  private readonly netflow: NetflowDecoder;
  private readonly sflow: SflowDecoder;
  private readonly pending: PendingSets;
  private readonly optionBudget = new OptionBudget();

  /** Records go to `output`. Throws one clear error where definitions or Templates cannot be read. */
  constructor(options: DecodingOptions, output: RecordOutput) {
    const { maxSessions, maxTemplateFields, exporterKey, pendingSets, pendingOctets, pendingAgeMs } = options;
    const builtIn = loadBuiltInRegistry();
    const own = options.ieDefinitions.flatMap((directory) => loadDefinitionDirectory(directory));
    const registry = own.length === 0 ? builtIn : builtIn.withDefinitions(own);
    const flow = new Flow(new Origin());
    this.sessions = new SessionTable({ maxSessions, maxTemplateFields, exporterKey });
    this.pending = new PendingSets({ maxSets: pendingSets, maxOctets: pendingOctets, maxAgeMs: pendingAgeMs });
    const readers = new NormalizingReaders(
      {
        flow,
        output,
        registry,
        generation: new GenerationPolicy(options.codeGeneration, options.compileAfter),
        samplingOverride: options.samplingOverride,
        packetSections: new PacketSections(),
        plans: new PlanBudget(),
        optionBudget: this.optionBudget,
      },
      registry,
    );
    this.netflow = new NetflowDecoder(this.sessions, this.pending, readers, options.templateTimeoutMs);
    this.sflow = new SflowDecoder(this.sessions, new SflowNormalizer(flow, output));
    for (const path of options.templateFiles) {
      for (const session of exporterTemplateFile(path, registry)) this.seed(session, Date.now());
    }
  }

  /** Messages that belong to no session. */
  get unattributed(): DecodeCounters {
    return this.netflow.unattributed;
  }

  /**
   * Decodes one datagram or framed message in octets `[start, end)`. Never throws: what a fault of this program would throw
   * is counted and kept for the log.
   */
  decode(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    address: string,
    port: number,
    arrivalMs: number,
    isReliable: boolean,
  ): DecodeOutcome {
    // Captures tell times below a millisecond, which no line prints.
    const wholeArrivalMs = Math.floor(arrivalMs);
    try {
      // sFlow's version has 32 bits, of which the upper 16 are what NetFlow takes for its version.
      if (end - start >= 4 && view.getUint32(start) === SFLOW_VERSION) {
        return this.sflow.decode(bytes, view, start, end, address, port, wholeArrivalMs);
      }
      return this.netflow.decode(bytes, view, start, end, address, port, wholeArrivalMs, isReliable);
    } catch (error) {
      this.internalErrors++;
      const octets = formatHex(view, start, Math.min(end - start, REPORTED_OCTETS));
      this.lastInternalError = `${error instanceof Error ? (error.stack ?? error.message) : String(error)}; octets ${octets}`;
      return 'ok';
    }
  }

  /** Forgets the sessions of a TCP connection that closed, or of a file that ended (RFC 7011 section 8.1). */
  endSessions(address: string, port: number): void {
    this.sessions.endReliable(address, port);
  }

  /**
   * A session as another thread needs it: the Templates announced since `sinceMs`, and its domain's options where asked for.
   * Undefined where that is nothing.
   */
  tell(session: Session, sinceMs: number, withOptions: boolean): SavedSession | undefined {
    const saved = saveSession(session, new Set(withOptions ? [] : [session.domain]), sinceMs);
    return saved.templates.length > 0 || saved.options !== undefined ? saved : undefined;
  }

  /** Takes what {@link Decoding.tell} gave in another thread, and decodes what waits for these Templates. Gives the session. */
  adopt(saved: SavedSession, nowMs: number): Session {
    const { version, address, port, domain, agent } = saved;
    const session = this.sessions.find(version, address, port, domain, agent, false, nowMs);
    // Heard elsewhere: what is known of it here, from saved state perhaps, is only for its Templates.
    if (session.counters.messagesReceived === 0) session.isAdopted = true;
    if (saved.options !== undefined) {
      session.domain.state ??= new DomainOptions(this.optionBudget);
      if (session.domain.state instanceof DomainOptions) addOptions(session.domain.state, saved.options);
    }
    for (const template of saved.templates.map(restoreTemplate)) {
      if (template !== undefined) this.netflow.adopt(session, template, nowMs);
    }
    return session;
  }

  /** Data Sets that wait for their Template. */
  pendingStatus(): { sets: number; octets: number } {
    return { sets: this.pending.sets, octets: this.pending.octets };
  }

  /** Numbers that differ whenever there is something new to save. */
  changes(): KnowledgeChanges {
    let templates = 0;
    let others = 0;
    for (const session of this.sessions.sessions()) {
      const { counters } = session;
      templates += counters.templatesLearned + counters.templatesRedefined;
      others += counters.templatesWithdrawn + counters.templatesExpired + counters.templatesEvicted;
      others += domainOptions(session)?.changes ?? 0;
    }
    return { templates, changes: templates + others };
  }

  /** JSON text of the Templates and options learned over UDP. */
  serializeState(): string {
    const domains = new Set<ObservationDomain>();
    const sessions: SavedSession[] = [];
    for (const session of this.sessions.heard()) {
      if (session.isReliable) continue;
      const saved = saveSession(session, domains);
      if (saved.templates.length > 0 || saved.options !== undefined) sessions.push(saved);
    }
    return JSON.stringify({ format: 1, sessions } satisfies SavedState);
  }

  /** Learns again what {@link Decoding.serializeState} gave. Returns why it was ignored, or undefined when all is well. */
  restoreState(text: string): string | undefined {
    let state: unknown;
    try {
      state = JSON.parse(text);
    } catch (error) {
      return `no JSON: ${(error as Error).message}`;
    }
    const { Ajv } = createRequire(import.meta.url)('ajv') as typeof import('ajv');
    const ajv = new Ajv();
    const validate = ajv.compile<SavedState>(SAVED_STATE_SCHEMA);
    if (!validate(state)) return ajv.errorsText(validate.errors, { dataVar: 'state' });
    const templates = state.sessions.map((session) => session.templates.map(restoreTemplate));
    if (templates.flat().includes(undefined)) return 'a saved Template is none';
    for (const session of state.sessions) this.seed(session, session.lastSeenMs);
    return undefined;
  }

  private seed(saved: SavedSession, nowMs: number): void {
    const session = this.sessions.find(
      saved.version,
      saved.address,
      saved.port,
      saved.domain,
      saved.agent,
      false,
      nowMs,
    );
    for (const template of saved.templates.map(restoreTemplate)) {
      if (template !== undefined) this.sessions.learn(session, template, nowMs);
    }
    if (saved.options !== undefined) {
      session.domain.state?.release();
      session.domain.state = restoreOptions(saved.options, this.optionBudget);
    }
  }
}

function saveSession(session: Session, domains: Set<ObservationDomain>, sinceMs = 0): SavedSession {
  const { version, address, port, domain, agentAddress, lastSeenMs } = session;
  const templates: SavedTemplate[] = [];
  for (const { template, announcedMs } of session.templates.values()) {
    if (announcedMs >= sinceMs) templates.push(saveTemplate(template));
  }
  const isFirst = !domains.has(domain);
  domains.add(domain);
  const { state } = domain;
  const options = isFirst && state instanceof DomainOptions && !state.isEmpty ? { options: saveOptions(state) } : {};
  return { version, address, port, domain: domain.id, agent: agentAddress, lastSeenMs, templates, ...options };
}
