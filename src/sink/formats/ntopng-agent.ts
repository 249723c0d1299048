/**
 * What ntop's agents say of an event besides its flow: nested records of processes, containers and TCP. ntopng up to 5.x reads
 * these, in JSON alone; TLV says the same in the flat fields of processes and containers.
 */

import type { PlainValue } from '../../flow/flow.ts';

/** Nothing but shown by ntopng: they may go out in any form. */
const SHOWN: ReadonlySet<string> = new Set(['EVENT_TYPE', 'USER_NAME']);
const NESTED = /^(?:timestamp|TCP|TCP_EVENT_TYPE|UDP_EVENT_TYPE|[A-Z_]*PROCESS|[A-Z_]*CONTAINER)$/;

/**
 * A value of an agent's as ntopng reads it, or undefined where `key` is none that it reads from agents in this form.
 * INTERFACE_NAME never is: 5.6 crashes on it.
 */
export function agentItem(key: string, value: PlainValue, isTlv: boolean): PlainValue | undefined {
  if (SHOWN.has(key)) return typeof value === 'object' ? undefined : value;
  if (isTlv || !NESTED.test(key)) return undefined;
  if (key.endsWith('CONTAINER')) return containerItem(value);
  return key.endsWith('PROCESS') ? processItem(value) : value;
}

/** A container with its id where ntopng looks for it, and Kubernetes under the name it knows. */
export function containerItem(value: PlainValue): PlainValue {
  if (!isObject(value)) return value;
  const { KUBE: kube, ...rest } = value;
  const orchestrated = rest['K8S'] ?? kube;
  const inner = [orchestrated, rest['DOCKER']].find(isObject);
  const id = inner?.['ID'];
  return {
    ...(typeof id === 'string' && { ID: id }),
    ...rest,
    ...(orchestrated !== undefined && { K8S: orchestrated }),
  };
}

/** One kind of agents says PROCESS_ID and USER_ID, which ntopng does not read. */
function processItem(value: PlainValue): PlainValue {
  if (!isObject(value)) return value;
  const { PROCESS_ID: processId, USER_ID: userId } = value;
  return {
    ...(processId !== undefined && { PID: processId }),
    ...(userId !== undefined && { UID: userId }),
    ...value,
  };
}

function isObject(value: PlainValue | undefined): value is { readonly [key: string]: PlainValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
