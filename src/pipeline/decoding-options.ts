import type { Configuration } from '../config/configuration.ts';
import type { DecodingOptions } from './decoding.ts';

/** The part of a configuration that decoding needs, in its units. */
export function decodingOptionsOf(configuration: Configuration): DecodingOptions {
  return {
    ieDefinitions: configuration.ieDefinitions,
    exporterKey: configuration.exporterKey,
    templateTimeoutMs: configuration.templateTimeout * 1000,
    samplingOverride: configuration.samplingOverride,
    codeGeneration: configuration.codeGeneration,
    maxSessions: configuration.maxSessions,
    maxTemplateFields: configuration.maxTemplateFields,
    pendingOctets: configuration.pendingOctets,
    pendingSets: configuration.pendingSets,
    pendingAgeMs: configuration.pendingAge * 1000,
    templateFiles: configuration.exporterTemplates,
  };
}
