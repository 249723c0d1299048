import type { ReaderFactory, RecordReader } from '../decode/record-reader.ts';
import type { Session } from '../decode/session.ts';
import type { Template } from '../decode/template.ts';
import type { Registry } from '../ie/registry.ts';
import { domainOptions, FlowReader, type FlowReaderContext } from './flow-reader.ts';
import { KnownOptions } from './known-options.ts';
import { OptionsReader, type OptionsReaderContext } from './options-reader.ts';

/** Fields of the Templates whose readers are kept for others of the same fields, and what a reader adds. */
const MAX_SHARED_FIELDS = 32_768;
const READER_OVERHEAD = 8;

/**
 * Makes the readers of a program and shares them between Templates of the same fields, of one Exporter or of many: an Exporter
 * with a Template for each of its interfaces or tenants then costs as much as one with a single Template.
 */
export class NormalizingReaders implements ReaderFactory {
  private readonly context: FlowReaderContext;
  private readonly optionsContext: OptionsReaderContext;
  /** Exporters of one make have the same Template objects. */
  private readonly byTemplate = new WeakMap<Template, RecordReader>();
  private readonly flowReaders = new SharedReaders<FlowReader>();
  private readonly optionsReaders = new SharedReaders<OptionsReader>();

  constructor(context: FlowReaderContext, registry: Registry) {
    this.context = context;
    const { output, flow, optionBudget: budget, plans } = context;
    this.optionsContext = { registry, output, origin: flow.origin, budget, plans, known: new KnownOptions() };
  }

  readerFor(session: Session, template: Template): RecordReader {
    // A reader that knows elements of one Exporter's own is of no use to another.
    const isOwn = template.scopeFieldCount < 0 && domainOptions(session)?.registry !== undefined;
    if (isOwn) return new FlowReader(this.context, template, domainOptions(session));
    let reader = this.byTemplate.get(template);
    if (reader === undefined) {
      reader = this.sharedReader(template);
      this.byTemplate.set(template, reader);
    }
    return reader;
  }

  private sharedReader(template: Template): RecordReader {
    const key = `${template.version} ${template.scopeFieldCount} ${template.signature}`;
    if (template.scopeFieldCount >= 0) {
      return (
        this.optionsReaders.find(key) ??
        this.optionsReaders.add(key, template, new OptionsReader(this.optionsContext, template))
      );
    }
    return (
      this.flowReaders.find(key) ??
      this.flowReaders.add(key, template, new FlowReader(this.context, template, undefined))
    );
  }
}

/** Readers by what their Templates say, the oldest forgotten first. */
class SharedReaders<Reader> {
  private readonly readers = new Map<string, { readonly reader: Reader; readonly fields: number }>();
  private fields = 0;

  find(key: string): Reader | undefined {
    return this.readers.get(key)?.reader;
  }

  add(key: string, template: Template, reader: Reader): Reader {
    const fields = template.fields.length + READER_OVERHEAD;
    this.readers.set(key, { reader, fields });
    this.fields += fields;
    for (const [oldest, entry] of this.readers) {
      if (this.fields <= MAX_SHARED_FIELDS) break;
      this.readers.delete(oldest);
      this.fields -= entry.fields;
    }
    return reader;
  }
}
