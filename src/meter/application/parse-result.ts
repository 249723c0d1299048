/** The octets are nothing of the kind. */
export const PARSE_NOT = 0;
/** They are its beginning; what is wanted may follow. */
export const PARSE_MORE = 1;
/** They were read. */
export const PARSE_DONE = 2;

/** What a parser says of octets. */
export type ParseResult = typeof PARSE_NOT | typeof PARSE_MORE | typeof PARSE_DONE;
