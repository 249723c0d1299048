import { readFileSync } from 'node:fs';
import type { ServiceDefinition } from './application/service-table.ts';

/** The content of the file of services. */
export interface ServiceFile {
  readonly title: string;
  /** Where the numbers and domains come from. */
  readonly source: string;
  readonly services: readonly ServiceDefinition[];
}

// One level above the folder of sources, whether that is src/ or, built, dist/.
const BUILT_IN_FILE = new URL('../../ie-definitions/applications/services.json', import.meta.url);

/** The services that come with flowrelay. Throws what `node:fs` or `JSON.parse` throws where the installation is broken. */
export function loadBuiltInServices(): readonly ServiceDefinition[] {
  return (JSON.parse(readFileSync(BUILT_IN_FILE, 'utf8')) as ServiceFile).services;
}
