import { DomainOptions, type OptionBudget } from './domain-options.ts';

/** What options data told about a domain, as saved. */
export interface SavedOptions {
  readonly samplers: readonly (readonly [number, number])[];
  readonly interfaceSampling: readonly (readonly [number, number])[];
  readonly samplingInterval: number;
  readonly interfaceNames: readonly (readonly [number, string])[];
  readonly applicationNames: readonly (readonly [number, string])[];
  readonly vrfNames: readonly (readonly [number, string])[];
  readonly systemInitTimeMs: number;
}

/** The form in which options are saved. Elements of the Exporter's own are not: they come again with its Templates. */
export function saveOptions(options: DomainOptions): SavedOptions {
  return {
    samplers: [...options.samplers.entries],
    interfaceSampling: [...options.interfaceSampling.entries],
    samplingInterval: options.samplingInterval,
    interfaceNames: [...options.interfaceNames.entries],
    applicationNames: [...options.applicationNames.entries],
    vrfNames: [...options.vrfNames.entries],
    systemInitTimeMs: options.systemInitTimeMs,
  };
}

/** The options again, their memory taken from `budget`. */
export function restoreOptions(saved: SavedOptions, budget: OptionBudget): DomainOptions {
  const options = new DomainOptions(budget);
  addOptions(options, saved);
  return options;
}

/** Adds what was saved to what is known; where both say something, what was saved counts. */
export function addOptions(options: DomainOptions, saved: SavedOptions): void {
  for (const [id, interval] of saved.samplers) options.samplers.set(id, interval);
  for (const [index, interval] of saved.interfaceSampling) options.interfaceSampling.set(index, interval);
  for (const [index, name] of saved.interfaceNames) options.interfaceNames.set(index, name);
  for (const [id, name] of saved.applicationNames) options.applicationNames.set(id, name);
  for (const [id, name] of saved.vrfNames) options.vrfNames.set(id, name);
  if (saved.samplingInterval > 0) options.samplingInterval = saved.samplingInterval;
  if (saved.systemInitTimeMs > 0) options.systemInitTimeMs = saved.systemInitTimeMs;
  options.changes++;
}
