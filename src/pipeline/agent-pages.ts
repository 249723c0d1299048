/** What the status page shows of an agent. */

import type { Agent } from '../agent/agent.ts';
import { formatPrometheus, type Metric, PROMETHEUS_CONTENT_TYPE, plainMetric } from '../metrics/prometheus.ts';
import { jsonBody, type StatusPage } from '../metrics/status.ts';
import type { AgentSources } from './agent-sources.ts';
import type { Output } from './output.ts';
import { senderMetrics, senderStatus, sinkMetrics, sinkStatus } from './sender-status.ts';

/** The program as the pages see it. */
export interface AgentView {
  readonly version: string;
  readonly startedMs: number;
  readonly agent: Agent;
  readonly sources: AgentSources;
  readonly output: Output;
}

/** The pages by path. */
export function agentPages(view: AgentView): ReadonlyMap<string, StatusPage> {
  return new Map<string, StatusPage>([
    ['/metrics', () => ({ contentType: PROMETHEUS_CONTENT_TYPE, text: formatPrometheus(metricsOf(view)) })],
    ['/health', () => jsonBody(healthOf(view))],
  ]);
}

/** Each part counts under names of its own; what is only the state of now is a gauge. */
function partsOf({ agent, sources }: AgentView) {
  const { sockets, closes, owners, processes, usage, containers, tracking, interfaces, events } = sources;
  return {
    agent: agent.counters,
    table: agent.table.counters,
    sockets: sockets.counters,
    ...(closes !== undefined && { closes: closes.counters }),
    ...(events !== undefined && { events: events.counters }),
    owners: numbersOf(owners),
    processes: {
      ...numbersOf(processes),
      ...prefixed('files', processes.files),
      ...prefixed('users', processes.users),
    },
    usage: prefixed('files', usage.files),
    packages: numbersOf(processes.packages),
    containers: containers.counters,
    tracking: numbersOf(tracking),
    interfaces: interfaces.figures,
  };
}

const GAUGES: ReadonlySet<string> = new Set([
  'agent.sockets',
  'agent.roundMs',
  'owners.unresolved',
  'processes.size',
  'containers.containers',
  'containers.podsUnproven',
  'closes.namespacesBeyondLimit',
]);

function metricsOf(view: AgentView): Metric[] {
  const { agent, output } = view;
  const metrics: Metric[] = [plainMetric('flowrelay_agent_flows', 'gauge', 'Flows followed.', agent.table.size)];
  for (const [part, counters] of Object.entries(partsOf(view))) {
    for (const [name, value] of Object.entries(counters)) {
      const isGauge = GAUGES.has(`${part}.${name}`);
      const words = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      metrics.push(
        plainMetric(
          `flowrelay_agent_${part === 'agent' ? '' : `${part}_`}${words}${isGauge ? '' : '_total'}`,
          isGauge ? 'gauge' : 'counter',
          `Of the agent's ${part}: ${words.replaceAll('_', ' ')}.`,
          value,
        ),
      );
    }
  }
  return [...metrics, ...sinkMetrics(output.sinks), ...senderMetrics(output)];
}

function healthOf(view: AgentView): unknown {
  const { version, startedMs, agent, sources, output } = view;
  return {
    status: 'ok',
    version,
    uptimeSeconds: Math.floor((Date.now() - startedMs) / 1000),
    sockets: sources.sockets.mode,
    kernelEvents: sources.events?.isUp === true,
    flows: agent.table.size,
    parts: partsOf(view),
    sinks: output.sinks.map(sinkStatus),
    ...senderStatus(output),
  };
}

/** The public numbers of a part that counts in its own fields. */
function numbersOf(part: object): Record<string, number> {
  return Object.fromEntries(Object.entries(part).filter(([, value]) => typeof value === 'number')) as Record<
    string,
    number
  >;
}

function prefixed(prefix: string, part: object): Record<string, number> {
  return Object.fromEntries(
    Object.entries(numbersOf(part)).map(([name, value]) => [
      `${prefix}${name[0]!.toUpperCase()}${name.slice(1)}`,
      value,
    ]),
  );
}
