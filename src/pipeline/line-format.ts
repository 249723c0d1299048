import type { Configuration } from '../config/configuration.ts';
import type { FlowJsonOptions } from '../sink/formats/flow-json.ts';

/** What lines look like by a configuration. */
export function lineFormat({ names, fields, upscale, records, codeGeneration }: Configuration): FlowJsonOptions {
  return {
    names,
    fields: fields.length === 0 ? undefined : fields,
    upscale,
    recordTypes: new Set(records),
    codeGeneration,
  };
}
