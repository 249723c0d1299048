import { FIELD_BY_NAME, type FieldName, SLOT } from '../../flow/fields.ts';

/** What is found within payload, by its number: fields of a flow, in groups that occur together. */
export const DETAIL = {
  dnsQuery: 0,
  dnsQueryType: 1,
  dnsReturnCode: 2,
  dnsAnswers: 3,
  tlsServerName: 4,
  tlsAlpn: 5,
  tlsVersion: 6,
  tlsCipher: 7,
  ja4: 8,
  httpMethod: 9,
  httpHost: 10,
  httpUrl: 11,
  httpUserAgent: 12,
  httpReturnCode: 13,
  l7Info: 14,
  smtpMailFrom: 15,
  smtpRecipient: 16,
  sipCallId: 17,
  sipCallingParty: 18,
  sipCalledParty: 19,
  sipResponseCode: 20,
  dhcpClientName: 21,
  dhcpMessageType: 22,
  netbiosQueryName: 23,
  rtpSsrc: 24,
  bittorrentHash: 25,
} as const satisfies Readonly<Partial<Record<FieldName, number>>>;

/** Number of a detail. */
export type Detail = (typeof DETAIL)[keyof typeof DETAIL];

/** The flow fields by detail number. */
export const DETAIL_FIELDS = Object.keys(DETAIL) as readonly (keyof typeof DETAIL)[];

/** 1 for the details that are texts. */
export const IS_TEXT: Uint8Array = Uint8Array.from(DETAIL_FIELDS, (field) =>
  FIELD_BY_NAME.get(field)!.type === 'name' ? 1 : 0,
);

/** Where the details lie in a flow: in `Flow.names` where they are texts, else in `Flow.words`. */
export const DETAIL_SLOTS: Uint16Array = Uint16Array.from(DETAIL_FIELDS, (field) => SLOT[field]);

/** Longest text kept of one detail, in octets; a URL or a User-Agent may be longer and is cut. */
export const MAX_DETAIL_OCTETS = 512;
