import type { ReaderFactory, RecordReader } from '../decode/record-reader.ts';
import type { Session } from '../decode/session.ts';
import type { Template } from '../decode/template.ts';
import type { Registry } from '../ie/registry.ts';
import { domainOptions, FlowReader, type FlowReaderContext } from './flow-reader.ts';
import { OptionsReader } from './options-reader.ts';

/** Readers kept for Templates that are equal but for their Exporter. */
const MAX_READERS = 4096;

/** Makes the readers of a program and shares them between Exporters that announce equal Templates. */
export class NormalizingReaders implements ReaderFactory {
  private readonly context: FlowReaderContext;
  private readonly registry: Registry;
  private readonly flowReaders = new Map<string, FlowReader>();
  private readonly optionsReaders = new Map<string, OptionsReader>();

  constructor(context: FlowReaderContext, registry: Registry) {
    this.context = context;
    this.registry = registry;
  }

  readerFor(session: Session, template: Template): RecordReader {
    const key = `${template.version} ${template.id} ${template.scopeFieldCount} ${template.signature}`;
    if (template.scopeFieldCount >= 0) {
      const { output, flow } = this.context;
      return remembered(
        this.optionsReaders,
        key,
        () => new OptionsReader(template, this.registry, output, flow.origin),
      );
    }
    const options = domainOptions(session);
    // A reader that knows elements of one Exporter's own is of no use to another.
    if (options?.registry !== undefined) return new FlowReader(this.context, template, options);
    return remembered(this.flowReaders, key, () => new FlowReader(this.context, template, undefined));
  }
}

function remembered<Reader>(readers: Map<string, Reader>, key: string, make: () => Reader): Reader {
  const known = readers.get(key);
  if (known !== undefined) return known;
  const oldest = readers.size >= MAX_READERS ? readers.keys().next().value : undefined;
  if (oldest !== undefined) readers.delete(oldest);
  const reader = make();
  readers.set(key, reader);
  return reader;
}
