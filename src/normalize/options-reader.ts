import type { MessageContext } from '../decode/message.ts';
import type { RecordReader } from '../decode/record-reader.ts';
import { type Template, VARIABLE_LENGTH } from '../decode/template.ts';
import { plainElementValue } from '../flow/element-value.ts';
import type { Attachment, PlainValue } from '../flow/flow.ts';
import type { Origin } from '../flow/origin.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import type { ElementLookup, Registry } from '../ie/registry.ts';
import { DomainOptions, type OptionBudget } from './domain-options.ts';
import { domainOptions, setOrigin } from './flow-reader.ts';
import type { KnownOptions, OptionsRecord } from './known-options.ts';
import { decodeList } from './list.ts';
import { addValue } from './named-values.ts';
import { learn, lessonOf, ToldFields } from './options-lesson.ts';
import { type OptionsPlan, planOptions } from './options-plan.ts';
import type { PlanBudget, PlanHolder } from './plan-budget.ts';

/** A plan without a field takes as much as one of so many. */
const PLAN_OVERHEAD = 8;

/** What all readers of options data of a program share. */
export interface OptionsReaderContext {
  readonly registry: Registry;
  readonly output: RecordOutput;
  readonly origin: Origin;
  readonly budget: OptionBudget;
  readonly plans: PlanBudget;
  readonly known: KnownOptions;
}

/** Reads records of an Options Template: keeps what they tell about the Exporter and hands each on as a record. */
export class OptionsReader implements RecordReader, PlanHolder {
  private readonly context: OptionsReaderContext;
  private readonly template: Template;
  private readonly told = new ToldFields();
  private plan: OptionsPlan | undefined;
  /** Plans for Exporters that have described elements of their own (RFC 5610). */
  private ownPlans = new WeakMap<ElementLookup, { readonly plan: OptionsPlan; readonly version: number }>();

  constructor(context: OptionsReaderContext, template: Template) {
    this.context = context;
    this.template = template;
  }

  readSet(message: MessageContext, start: number, end: number): number {
    const { output, origin, registry, budget } = this.context;
    const { domain, counters } = message.session;
    domain.state ??= new DomainOptions(budget);
    const options = domainOptions(message.session)!;
    setOrigin(origin, message);
    let pos = start;
    let records = 0;
    while (end - pos >= this.template.minRecordLength) {
      // Anew for each record: it may have described an element.
      const plan = this.planFor(options);
      const next = plan.hasVariableLength
        ? variableRecordEnd(plan, message.view, pos, end)
        : pos + this.template.minRecordLength;
      if (next < 0) {
        counters.faults.record_truncated++;
        break;
      }
      const known = this.known(plan, message.view, pos, next);
      const record = known ?? this.read(plan, message, pos, next, options.registry ?? registry);
      learn(options, record.lesson, registry);
      records++;
      const { values, ianaValues } = record;
      output.writeRecord({ recordType: 'options', origin, values, ianaValues, comesAgain: known !== undefined });
      pos = next;
    }
    return records;
  }

  unload(): void {
    this.plan = undefined;
    this.ownPlans = new WeakMap();
  }

  private planFor({ registry, registryVersion }: DomainOptions): OptionsPlan {
    if (registry === undefined) {
      this.plan ??= this.makePlan(this.context.registry);
      return this.plan;
    }
    const own = this.ownPlans.get(registry);
    if (own?.version === registryVersion) return own.plan;
    const plan = this.makePlan(registry);
    this.ownPlans.set(registry, { plan, version: registryVersion });
    return plan;
  }

  private makePlan(registry: ElementLookup): OptionsPlan {
    this.context.plans.add(this, this.template.fields.length + PLAN_OVERHEAD);
    return planOptions(this.template, registry);
  }

  private known(plan: OptionsPlan, view: DataView, start: number, end: number): OptionsRecord | undefined {
    return plan.dependsOnOctetsOnly ? this.context.known.find(plan, view, start, end) : undefined;
  }

  private read(
    plan: OptionsPlan,
    message: MessageContext,
    start: number,
    end: number,
    registry: ElementLookup,
  ): OptionsRecord {
    const { view, exportTimeMs } = message;
    const { told } = this;
    const values: Record<string, PlainValue> = {};
    const ianaValues: Record<string, PlainValue> = {};
    told.begin(view);
    let pos = start;
    for (let i = 0; i < plan.fields.length; i++) {
      const { length: specified, ntop, iana, value, list, toldSlot } = plan.fields[i]!;
      let length = specified;
      if (length === VARIABLE_LENGTH) {
        length = view.getUint8(pos++);
        if (length === 255) {
          length = view.getUint16(pos);
          pos += 2;
        }
      }
      if (length === 0) continue;
      if (toldSlot >= 0) told.set(toldSlot, pos, length);
      if (list !== undefined) {
        const attachments: Attachment[] = [];
        decodeList({ type: list, ntop, iana, positionSlot: 0, length }, message, pos, length, registry, attachments);
        for (const attachment of attachments) {
          addValue(values, attachment.ntop, attachment.value);
          addValue(ianaValues, attachment.iana, attachment.ianaValue ?? attachment.value);
        }
      } else {
        const plain = plainElementValue(view, pos, length, value, exportTimeMs);
        addValue(values, ntop, plain);
        addValue(ianaValues, iana, plain);
      }
      pos += length;
    }
    const record = { values, ianaValues, lesson: lessonOf(told, this.context.registry) };
    if (plan.dependsOnOctetsOnly) this.context.known.add(plan, view, start, end, record);
    return record;
  }
}

/** Where the record at `start` ends; -1 where that is behind `end`. */
function variableRecordEnd({ fields }: OptionsPlan, view: DataView, start: number, end: number): number {
  let pos = start;
  for (let i = 0; i < fields.length; i++) {
    let { length } = fields[i]!;
    if (length === VARIABLE_LENGTH) {
      if (pos + 1 > end) return -1;
      length = view.getUint8(pos++);
      if (length === 255) {
        if (pos + 2 > end) return -1;
        length = view.getUint16(pos);
        pos += 2;
      }
    }
    pos += length;
    if (pos > end) return -1;
  }
  return pos;
}
