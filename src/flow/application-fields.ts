import type { FieldName } from './fields.ts';

/**
 * Fields that payload tells: the probe fills them. What others report under the same names stays an element of their own,
 * octets as they came, for its texts may be longer and its numbers texts.
 */
export const APPLICATION_FIELDS: ReadonlySet<FieldName> = new Set<FieldName>([
  'l7MasterProtocol',
  'l7Confidence',
  'l7Info',
  'dnsQuery',
  'dnsQueryType',
  'dnsReturnCode',
  'dnsAnswers',
  'tlsServerName',
  'tlsAlpn',
  'tlsVersion',
  'tlsCipher',
  'ja4',
  'httpMethod',
  'httpHost',
  'httpUrl',
  'httpUserAgent',
  'httpReturnCode',
  'smtpMailFrom',
  'smtpRecipient',
  'sipCallId',
  'sipCallingParty',
  'sipCalledParty',
  'sipResponseCode',
  'dhcpClientName',
  'dhcpMessageType',
  'netbiosQueryName',
  'rtpSsrc',
  'bittorrentHash',
]);
