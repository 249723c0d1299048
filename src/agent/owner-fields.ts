import { type FieldName, SLOT } from '../flow/fields.ts';
import type { Flow } from '../flow/flow.ts';
import { fieldEntry, type LayoutEntry } from '../flow/layout.ts';
import type { FlowOwner } from './flow-owner.ts';
import { clipped } from './record-texts.ts';

/** What is known of who has an end, as bits of {@link ownerBits}. */
const HAS_USER = 1;
const HAS_PROCESS = 2;
const HAS_FATHER = 4;
const HAS_PACKAGE = 8;
const HAS_FATHER_PACKAGE = 16;
const HAS_COMMAND_LINE = 32;
const HAS_CONTAINER = 64;
const HAS_USAGE = 128;
const HAS_CONTAINER_NAMES = 256;
/** Bits that an owner takes. */
export const OWNER_BITS = 9;

/** A flow that owners are filled into, and where its texts go. */
export interface OwnerRecord {
  readonly flow: Flow;
  /** Whether the arguments of processes are told. */
  readonly withCommandLines: boolean;
  /** Sets a field of type `text`. */
  text(slot: number, text: string): void;
}

/** Which end of a flow an owner has. */
export type Stem = 'source' | 'destination';

type Slots = ReturnType<typeof slotsOf>;

function slotsOf(stem: Stem) {
  return {
    processId: SLOT[`${stem}ProcessId`],
    name: SLOT[`${stem}ProcessName`],
    userId: SLOT[`${stem}ProcessUserId`],
    userName: SLOT[`${stem}ProcessUserName`],
    package: SLOT[`${stem}ProcessPackage`],
    commandLine: SLOT[`${stem}ProcessCommandLine`],
    fatherId: SLOT[`${stem}FatherProcessId`],
    fatherName: SLOT[`${stem}FatherProcessName`],
    fatherUserId: SLOT[`${stem}FatherProcessUserId`],
    fatherUserName: SLOT[`${stem}FatherProcessUserName`],
    fatherPackage: SLOT[`${stem}FatherProcessPackage`],
    containerId: SLOT[`${stem}ContainerId`],
    containerName: SLOT[`${stem}ContainerName`],
    podName: SLOT[`${stem}PodName`],
    podNamespace: SLOT[`${stem}PodNamespace`],
    memory: SLOT[`${stem}ProcessMemory`],
    peakMemory: SLOT[`${stem}ProcessPeakMemory`],
    cpuLoad: SLOT[`${stem}ProcessCpuLoad`],
    pageFaults: SLOT[`${stem}ProcessPageFaults`],
    ioWait: SLOT[`${stem}ProcessIoWait`],
  } as const;
}

const SLOTS: Readonly<Record<Stem, Slots>> = { source: slotsOf('source'), destination: slotsOf('destination') };
const MAX_WORD = 0xffff_ffff;

/** Fills the fields of who has an end and gives bits for {@link ownerEntries}. */
export function fillOwner(record: OwnerRecord, stem: Stem, owner: FlowOwner | undefined, withNames: boolean): number {
  if (owner === undefined) return 0;
  const slots = SLOTS[stem];
  const { words, names } = record.flow;
  const { process, father, container, usage } = owner;
  let bits = 0;
  if (owner.userName !== '') {
    bits |= HAS_USER;
    words[slots.userId] = owner.userId;
    record.text(slots.userName, owner.userName);
  }
  if (process !== undefined) {
    bits |= HAS_PROCESS;
    words[slots.processId] = process.pid;
    record.text(slots.name, process.path);
    if (process.packageName !== '') {
      bits |= HAS_PACKAGE;
      record.text(slots.package, process.packageName);
    }
    if (record.withCommandLines && process.commandLine !== '') {
      bits |= HAS_COMMAND_LINE;
      record.text(slots.commandLine, process.commandLine);
    }
  }
  if (father !== undefined) {
    bits |= HAS_FATHER;
    words[slots.fatherId] = father.pid;
    words[slots.fatherUserId] = father.userId;
    record.text(slots.fatherName, father.path);
    record.text(slots.fatherUserName, father.userName);
    if (father.packageName !== '') {
      bits |= HAS_FATHER_PACKAGE;
      record.text(slots.fatherPackage, father.packageName);
    }
  }
  if (container !== undefined) {
    if (container.shortId !== '') {
      bits |= HAS_CONTAINER;
      record.text(slots.containerId, container.shortId);
    }
    if (withNames) {
      bits |= HAS_CONTAINER_NAMES;
      names[slots.containerName] = clipped(container.name);
      names[slots.podName] = clipped(container.pod);
      names[slots.podNamespace] = clipped(container.podNamespace);
    }
  }
  if (withNames && usage !== undefined) {
    bits |= HAS_USAGE;
    words[slots.memory] = Math.min(usage.residentOctets, MAX_WORD);
    words[slots.peakMemory] = Math.min(usage.residentPeakOctets, MAX_WORD);
    words[slots.cpuLoad] = Math.min(Math.round(usage.cpuLoad), MAX_WORD);
    words[slots.pageFaults] = Math.min(usage.pageFaults, MAX_WORD);
    words[slots.ioWait] = Math.min(Math.round(usage.ioWait), MAX_WORD);
  }
  return bits;
}

/** The entries of a layout for the bits that {@link fillOwner} gave. */
export function ownerEntries(stem: Stem, bits: number): LayoutEntry[] {
  const fields: FieldName[] = [];
  const has = (bit: number): boolean => (bits & bit) !== 0;
  if (has(HAS_USER)) fields.push(`${stem}ProcessUserId`, `${stem}ProcessUserName`);
  if (has(HAS_PROCESS)) fields.push(`${stem}ProcessId`, `${stem}ProcessName`);
  if (has(HAS_PACKAGE)) fields.push(`${stem}ProcessPackage`);
  if (has(HAS_COMMAND_LINE)) fields.push(`${stem}ProcessCommandLine`);
  if (has(HAS_FATHER))
    fields.push(
      `${stem}FatherProcessId`,
      `${stem}FatherProcessName`,
      `${stem}FatherProcessUserId`,
      `${stem}FatherProcessUserName`,
    );
  if (has(HAS_FATHER_PACKAGE)) fields.push(`${stem}FatherProcessPackage`);
  if (has(HAS_CONTAINER)) fields.push(`${stem}ContainerId`);
  if (has(HAS_USAGE))
    fields.push(
      `${stem}ProcessMemory`,
      `${stem}ProcessPeakMemory`,
      `${stem}ProcessCpuLoad`,
      `${stem}ProcessPageFaults`,
      `${stem}ProcessIoWait`,
    );
  const optional: FieldName[] = has(HAS_CONTAINER_NAMES)
    ? [`${stem}ContainerName`, `${stem}PodName`, `${stem}PodNamespace`]
    : [];
  return [...fields.map((field) => fieldEntry(field)), ...optional.map((field) => fieldEntry(field, true))];
}
