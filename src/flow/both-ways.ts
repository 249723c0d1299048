import type { FieldName } from './fields.ts';
import type { Layout } from './layout.ts';

/** ntop's enterprise number. */
const NTOP_ENTERPRISE = 35632;

const NTOP_FIELDS: ReadonlySet<string> = new Set<FieldName>(['clientTcpFlags', 'l7Protocol', 'l7ProtocolName']);

/**
 * Whether `postOctets` and `postPackets` of a layout's flows are those of the other direction. ntop's probes report it as
 * elements 23 and 24, which are IANA's counts behind a middlebox. They are told by elements of ntop's own beside them.
 */
export function reportsBothWays(layout: Layout): boolean {
  return (
    layout.has('postOctets') &&
    !layout.has('reverseOctets') &&
    layout.entries.some(
      (entry) =>
        (entry.kind === 'field' && NTOP_FIELDS.has(entry.field.field)) ||
        (entry.kind === 'element' && entry.enterpriseNumber === NTOP_ENTERPRISE),
    )
  );
}
