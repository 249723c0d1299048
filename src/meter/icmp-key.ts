const ICMP = 1;

/** ICMP types that answer another, by that other (RFC 792, RFC 950). */
const ICMP_ANSWERS: ReadonlyMap<number, number> = new Map([
  [0, 8],
  [14, 13],
  [16, 15],
  [18, 17],
]);
/** ICMPv6 types that answer another, by that other (RFC 4443, RFC 4620, RFC 4861). */
const ICMPV6_ANSWERS: ReadonlyMap<number, number> = new Map([
  [129, 128],
  [140, 139],
]);

const ICMP_TYPES = Uint8Array.from({ length: 256 }, (_, type) => ICMP_ANSWERS.get(type) ?? type);
const ICMPV6_TYPES = Uint8Array.from({ length: 256 }, (_, type) => ICMPV6_ANSWERS.get(type) ?? type);

/** What stands for ports in the key of ICMP and ICMPv6: type and code, the same for a question and its answer. */
export function icmpKeyOf(protocol: number, type: number, code: number): number {
  return ((protocol === ICMP ? ICMP_TYPES[type]! : ICMPV6_TYPES[type]!) << 8) | code;
}
