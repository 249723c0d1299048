import type { PlainRecord, PlainValue } from '../flow/flow.ts';
import type { Origin } from '../flow/origin.ts';
import { type AgentDialect, timestamp } from './agent-event-record.ts';
import { containerRecord, sharedContainer } from './container-record.ts';
import type { InterfaceEntry } from './interface-entry.ts';
import { clipped } from './record-texts.ts';

/** The counters of an interface as agents print them, with the container behind a veth, or the pod of those that share it. */
export function interfaceRecord(
  entry: InterfaceEntry,
  origin: Origin,
  timeMs: number,
  dialect: AgentDialect,
): PlainRecord {
  const container = sharedContainer(entry.containers);
  const values: Record<string, PlainValue> = {
    timestamp: timestamp(timeMs),
    ifName: clipped(entry.name),
    ifIndex: entry.index,
    ...(container !== undefined && { LOCAL_CONTAINER: containerRecord(container, dialect) }),
    ifInOctets: entry.octetsReceived,
    ifInPackets: entry.packetsReceived,
    ifInErrors: entry.errorsReceived,
    ifInDrops: entry.dropsReceived,
    ifOutOctets: entry.octetsSent,
    ifOutPackets: entry.packetsSent,
    ifOutErrors: entry.errorsSent,
    ifOutDrops: entry.dropsSent,
    ifOperStatus: entry.isUp ? 'Up' : 'Down',
    ...(entry.speed > 0 && { ifSpeed: entry.speed }),
  };
  return { recordType: 'counters', origin, values, ianaValues: values };
}
