/** The status page of a program, at the address its configuration gives. */

import { type StatusPage, StatusServer } from '../metrics/status.ts';
import { formatHostPort, parseHostPort } from './listen-url.ts';
import type { Log } from './log.ts';

/** What opening it needs to know. */
export interface StatusServerOptions {
  readonly log: Log;
  /** Whether the status address was asked for: its port being taken is an error then. */
  readonly isStatusAsked: boolean;
}

/** Serves the pages at `status`. Undefined where that is `off`, or the port is taken and was not asked for. */
export async function openStatusServer(
  status: string,
  pages: ReadonlyMap<string, StatusPage>,
  { isStatusAsked, log }: StatusServerOptions,
): Promise<StatusServer | undefined> {
  if (status === 'off') return undefined;
  const { address, port } = parseHostPort(status);
  try {
    return await StatusServer.open({ host: address, port, pages });
  } catch (error) {
    if (isStatusAsked) throw error;
    log.write(
      'warning',
      'status_off',
      `${(error as Error).message}; going on without the status page (--status HOST:PORT moves it)`,
    );
    return undefined;
  }
}

/** Where a server opened at `status` is, with the port it got; undefined without one. */
export function statusAddress(status: string, server: StatusServer | undefined): string | undefined {
  return server && formatHostPort(parseHostPort(status).address, server.port);
}
