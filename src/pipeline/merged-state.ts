import type { SavedSession, SavedState } from './decoding.ts';

/**
 * One saved state of those of several threads. A session that two of them know has all its Templates; where both know one, and
 * of each domain's options, that of the session heard last counts. `texts` are what `Decoding.serializeState` gave.
 */
export function mergeStates(texts: readonly string[], exporterKey: 'address' | 'session'): string {
  const saved = texts.flatMap((text) => (JSON.parse(text) as SavedState).sessions);
  saved.sort((a, b) => a.lastSeenMs - b.lastSeenMs);
  const sessions = new Map<string, SavedSession>();
  const withOptions = new Map<string, string>();
  for (const session of saved) {
    const { version, address, port, domain, agent } = session;
    const key = `${version} ${address} ${port} ${domain} ${agent}`;
    const known = sessions.get(key);
    const templates = new Map([...(known?.templates ?? []), ...session.templates].map((each) => [each.id, each]));
    const merged: SavedSession = { ...known, ...session, templates: [...templates.values()] };
    if (session.options !== undefined) {
      const domainKey = exporterKey === 'session' ? key : `${version} ${address} ${domain} ${agent}`;
      const other = withOptions.get(domainKey);
      if (other !== undefined && other !== key) dropOptions(sessions, other);
      withOptions.set(domainKey, key);
    }
    sessions.set(key, merged);
  }
  return JSON.stringify({ format: 1, sessions: [...sessions.values()] } satisfies SavedState);
}

function dropOptions(sessions: Map<string, SavedSession>, key: string): void {
  const { options: _, ...rest } = sessions.get(key)!;
  sessions.set(key, rest);
}
