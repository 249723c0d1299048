/** The export a configuration asks for. */

import type { Configuration } from '../config/configuration.ts';
import { ConfigurationError } from '../config/load-configuration.ts';
import { loadDefinitionDirectory } from '../ie/definition-file.ts';
import { loadBuiltInRegistry } from '../ie/registry.ts';
import { type ExportDestination, ExportSink, type ExportVersion } from '../sink/export.ts';
import type { ExportTransportOptions } from '../sink/export-transport.ts';
import { parseSelection, readSelection } from './field-selection-file.ts';

/** What an export needs besides the configuration. */
export type ExportOptions = Pick<ExportTransportOptions, 'delivery' | 'queueOctets' | 'onEvent'>;

const VERSIONS: Readonly<Record<Configuration['exportVersion'], ExportVersion>> = { '5': 5, '9': 9, ipfix: 10 };

/** Opens it. Rejects with a {@link ConfigurationError} where options contradict one another, and with one clear error where a destination cannot be opened. */
export async function openExport(configuration: Configuration, options: ExportOptions): Promise<ExportSink> {
  const { template, templateFields } = configuration;
  const destinations = configuration.export.map(parseDestination);
  const problems = contradictions(configuration, destinations);
  if (problems.length > 0) throw new ConfigurationError(problems);
  const own = configuration.ieDefinitions.flatMap((directory) => loadDefinitionDirectory(directory));
  const registry = loadBuiltInRegistry().withDefinitions(own);
  return ExportSink.open({
    ...options,
    destinations,
    registry,
    selection:
      template !== ''
        ? readSelection(template, registry)
        : templateFields !== ''
          ? parseSelection(templateFields, registry)
          : undefined,
    isBalanced: configuration.exportBalance,
    version: VERSIONS[configuration.exportVersion],
    mtu: configuration.exportMtu,
    datagramsPerSecond: configuration.exportRate,
    refreshMessages: configuration.templateRefreshPackets,
    refreshMs: configuration.templateRefresh * 1000,
    sendsOptions: configuration.exportOptions,
    codeGeneration: configuration.codeGeneration,
  });
}

function contradictions(
  { exportVersion, template, templateFields }: Configuration,
  destinations: readonly ExportDestination[],
): string[] {
  const problems: string[] = [];
  const stream = destinations.find(({ kind }) => kind !== 'udp');
  if (exportVersion !== 'ipfix' && stream !== undefined)
    problems.push(`--export ${stream.text}: NetFlow goes over UDP alone; leave --export-version out for IPFIX`);
  if (template !== '' && templateFields !== '')
    problems.push('--template-fields: cannot be given together with --template');
  if (exportVersion === '5' && (template !== '' || templateFields !== ''))
    problems.push('--export-version 5: has one form of record; leave --template and --template-fields out');
  return problems;
}

/** A destination as it is written on the command line; the configuration has checked its form. */
export function parseDestination(text: string): ExportDestination {
  const match = /^(udp|tcp):\/\/(?:\[(.+)\]|([^:]+)):([0-9]+)$/.exec(text);
  if (match === null) return { kind: 'file', text };
  const [, kind, ipv6, name, port] = match;
  return { kind: kind === 'tcp' ? 'tcp' : 'udp', text, host: ipv6 ?? name ?? '', port: Number(port) };
}
