/** Classes of DSCP values by the names that ntopng's series have: class selectors with their assured forwarding, and LE. */
const CLASSES = ['cs0', 'cs1', 'cs2', 'cs3', 'cs4', 'cs5', 'cs6', 'cs7', 'LE', 'unknown'] as const;

const OCTETS: readonly Uint8Array[] = CLASSES.map((name) => Buffer.from(name));
const UNKNOWN = CLASSES.indexOf('unknown');
const CLASS_OF = new Uint8Array(64).fill(UNKNOWN);
// Class selectors (RFC 2474 section 4.2.2), assured forwarding 11 to 43 (RFC 2597 section 6).
for (let precedence = 0; precedence < 8; precedence++) {
  CLASS_OF[8 * precedence] = precedence;
  if (precedence < 1 || precedence > 4) continue;
  for (let drop = 1; drop <= 3; drop++) CLASS_OF[8 * precedence + 2 * drop] = precedence;
}
// Expedited forwarding (RFC 3246), lower effort (RFC 8622)
CLASS_OF[46] = CLASSES.indexOf('cs5');
CLASS_OF[1] = CLASSES.indexOf('LE');

/** The class of a type of service or traffic class octet, as a small number. */
export function dscpClassOf(tos: number): number {
  return CLASS_OF[(tos >>> 2) & 0x3f]!;
}

/** The name of a {@link dscpClassOf}. */
export function dscpClassName(dscpClass: number): Uint8Array {
  return OCTETS[dscpClass]!;
}
