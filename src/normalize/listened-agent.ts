import type { FieldName } from '../flow/fields.ts';
import type { PlainValue } from '../flow/flow.ts';

/** A value of a nested record of an agent, and the flow field it fills. */
export interface AgentValue {
  readonly field: FieldName;
  readonly value: string | number;
}

type PlainObject = { readonly [key: string]: PlainValue };

interface ProcessFields {
  readonly processId: FieldName;
  readonly userId: FieldName;
  readonly userName: FieldName;
  readonly name: FieldName;
  readonly packageName: FieldName;
  readonly commandLine: FieldName | undefined;
}

/** The local end is the source, whoever opened the connection. */
const PROCESSES: ReadonlyMap<string, ProcessFields> = new Map([
  [
    'LOCAL_PROCESS',
    {
      processId: 'sourceProcessId',
      userId: 'sourceProcessUserId',
      userName: 'sourceProcessUserName',
      name: 'sourceProcessName',
      packageName: 'sourceProcessPackage',
      commandLine: 'sourceProcessCommandLine',
    },
  ],
  [
    'LOCAL_FATHER_PROCESS',
    {
      processId: 'sourceFatherProcessId',
      userId: 'sourceFatherProcessUserId',
      userName: 'sourceFatherProcessUserName',
      name: 'sourceFatherProcessName',
      packageName: 'sourceFatherProcessPackage',
      commandLine: undefined,
    },
  ],
  [
    'REMOTE_PROCESS',
    {
      processId: 'destinationProcessId',
      userId: 'destinationProcessUserId',
      userName: 'destinationProcessUserName',
      name: 'destinationProcessName',
      packageName: 'destinationProcessPackage',
      commandLine: 'destinationProcessCommandLine',
    },
  ],
  [
    'REMOTE_FATHER_PROCESS',
    {
      processId: 'destinationFatherProcessId',
      userId: 'destinationFatherProcessUserId',
      userName: 'destinationFatherProcessUserName',
      name: 'destinationFatherProcessName',
      packageName: 'destinationFatherProcessPackage',
      commandLine: undefined,
    },
  ],
]);

const CONTAINERS: ReadonlyMap<string, FieldName> = new Map([
  ['LOCAL_CONTAINER', 'sourceContainerId'],
  ['REMOTE_CONTAINER', 'destinationContainerId'],
]);

/**
 * A nested record in the one shape that lines have: libebpfflow calls Kubernetes K8S, nprobe-agent KUBE, ntopng takes a
 * container's id beside it, and some of their names for ids stand beside the usual ones.
 */
export function agentShape(key: string, value: PlainValue): PlainValue {
  if (Array.isArray(value)) return (value as readonly PlainValue[]).map((item) => agentShape(key, item));
  if (!isObject(value)) return value;
  if (PROCESSES.has(key)) return withoutTwin(withoutTwin(value, 'PID', 'PROCESS_ID'), 'UID', 'USER_ID');
  return CONTAINERS.has(key) ? containerShape(value) : value;
}

function containerShape(value: PlainObject): PlainObject {
  const entries = Object.entries(value).map(([name, item]): [string, PlainValue] => [
    name === 'K8S' && value['KUBE'] === undefined ? 'KUBE' : name,
    item,
  ]);
  const id = own(value, 'ID');
  const home = entries.find(([name, item]) => (name === 'KUBE' || name === 'DOCKER') && isObject(item));
  if (typeof id !== 'string' || home === undefined) return Object.fromEntries(entries);
  const inner = home[1] as PlainObject;
  if (Object.hasOwn(inner, 'ID') && inner['ID'] !== id) return Object.fromEntries(entries);
  home[1] = { ID: id, ...inner };
  return Object.fromEntries(entries.filter(([name]) => name !== 'ID'));
}

/** Without `name` where `twin` says the same. */
function withoutTwin(value: PlainObject, name: string, twin: string): PlainObject {
  if (!Object.hasOwn(value, twin) || value[name] !== value[twin]) return value;
  return Object.fromEntries(Object.entries(value).filter(([each]) => each !== name));
}

/** What a nested record says of a process or container, flow field by flow field. */
export function agentValues(key: string, value: PlainValue): AgentValue[] {
  const record = Array.isArray(value) ? (value as readonly PlainValue[])[0] : value;
  if (record === undefined || !isObject(record)) return [];
  const fields = PROCESSES.get(key);
  return fields === undefined ? containerValues(key, record) : processValues(fields, record);
}

function processValues(fields: ProcessFields, record: PlainObject): AgentValue[] {
  const values: AgentValue[] = [];
  const add = (field: FieldName | undefined, type: 'string' | 'number', ...names: readonly string[]): void => {
    const found = names.map((name) => own(record, name)).find((value) => typeof value === type && value !== '');
    if (field !== undefined && found !== undefined) values.push({ field, value: found as string | number });
  };
  // One of the 2019 examples says PROCESS_ID and USER_ID.
  add(fields.processId, 'number', 'PID', 'PROCESS_ID');
  add(fields.userId, 'number', 'UID', 'USER_ID');
  add(fields.userName, 'string', 'UID_NAME', 'USER_NAME');
  add(fields.name, 'string', 'PROCESS_PATH');
  add(fields.packageName, 'string', 'PKG_NAME', 'PACKAGE_NAME');
  add(fields.commandLine, 'string', 'PROCESS_CMDLINE');
  return values;
}

function containerValues(key: string, record: PlainObject): AgentValue[] {
  const field = CONTAINERS.get(key);
  if (field === undefined) return [];
  for (const kind of ['KUBE', 'K8S', 'DOCKER']) {
    const container = own(record, kind);
    const id = container !== undefined && isObject(container) ? own(container, 'ID') : undefined;
    if (typeof id === 'string' && id !== '') return [{ field, value: id }];
  }
  return [];
}

/** A record may come with any keys: what objects inherit is none of them. */
function own(record: PlainObject, name: string): PlainValue | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function isObject(value: PlainValue): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
