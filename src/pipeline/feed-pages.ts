/** What the status pages show of a ZeroMQ feed. */

import { type Metric, type MetricSample, plainMetric } from '../metrics/prometheus.ts';
import type { ZmqSink } from '../sink/zmq.ts';
import type { ZmqPublisher } from '../sink/zmq-publisher.ts';

/** What a ZeroMQ endpoint came to. */
export function publisherStatus(publisher: ZmqPublisher) {
  const { messages, flows } = publisher.queued;
  return {
    endpoint: publisher.endpoint,
    hasSubscriber: publisher.hasSubscriber,
    messagesOffered: publisher.offered.messages,
    messagesSent: publisher.sent.messages,
    messagesQueued: messages,
    flowsOffered: publisher.offered.flows,
    flowsSent: publisher.sent.flows,
    flowsQueued: flows,
    octetsSent: publisher.octetsSent,
    octetsQueued: publisher.octetsQueued,
    dropped: publisher.dropped,
    handshakesRefused: publisher.handshakesRefused,
  };
}

/** A feed as `/health` shows it. */
export function feedStatusOf({ flows, publishers }: ZmqSink) {
  return {
    ...(flows !== undefined && {
      flowsMade: flows.flows,
      flowsLeftOut: flows.leftOut,
      flowsClamped: flows.flowsClamped,
    }),
    endpoints: publishers.map(publisherStatus),
  };
}

/** A feed's counters. */
export function feedMetrics({ flows, publishers }: ZmqSink): Metric[] {
  const samplesOf = (value: (publisher: ZmqPublisher) => number): MetricSample[] =>
    publishers.map((publisher) => ({ labels: { endpoint: publisher.endpoint }, value: value(publisher) }));
  const dropsOf = (value: 'messages' | 'flows'): MetricSample[] =>
    publishers.flatMap(({ endpoint, dropped }) =>
      Object.entries(dropped).map(([reason, tally]) => ({ labels: { endpoint, reason }, value: tally[value] })),
    );
  const leftOut = Object.entries(flows?.leftOut ?? {}).map(([reason, value]) => ({ labels: { reason }, value }));
  return [
    {
      name: 'flowrelay_zmq_subscriber_present',
      kind: 'gauge',
      help: 'Whether somebody takes flows at this ZeroMQ endpoint.',
      samples: samplesOf(({ hasSubscriber }) => (hasSubscriber ? 1 : 0)),
    },
    {
      name: 'flowrelay_zmq_messages_offered_total',
      kind: 'counter',
      help: 'Messages made for the endpoint.',
      samples: samplesOf(({ offered }) => offered.messages),
    },
    {
      name: 'flowrelay_zmq_messages_sent_total',
      kind: 'counter',
      help: 'Messages ZeroMQ took.',
      samples: samplesOf(({ sent }) => sent.messages),
    },
    {
      name: 'flowrelay_zmq_messages_dropped_total',
      kind: 'counter',
      help: 'Messages that did not go out, by reason.',
      samples: dropsOf('messages'),
    },
    {
      name: 'flowrelay_zmq_messages_queued',
      kind: 'gauge',
      help: 'Messages waiting for ZeroMQ to take them.',
      samples: samplesOf(({ queued }) => queued.messages),
    },
    {
      name: 'flowrelay_zmq_flows_offered_total',
      kind: 'counter',
      help: 'Flows, or lines, in messages made for the endpoint.',
      samples: samplesOf(({ offered }) => offered.flows),
    },
    {
      name: 'flowrelay_zmq_flows_sent_total',
      kind: 'counter',
      help: 'Flows, or lines, in messages ZeroMQ took.',
      samples: samplesOf(({ sent }) => sent.flows),
    },
    {
      name: 'flowrelay_zmq_flows_dropped_total',
      kind: 'counter',
      help: 'Flows, or lines, in messages that did not go out, by reason.',
      samples: dropsOf('flows'),
    },
    {
      name: 'flowrelay_zmq_sent_bytes_total',
      kind: 'counter',
      help: 'Octets of messages ZeroMQ took.',
      samples: samplesOf(({ octetsSent }) => octetsSent),
    },
    {
      name: 'flowrelay_zmq_handshakes_refused_total',
      kind: 'counter',
      help: 'Connections that failed for their encryption or protocol.',
      samples: samplesOf(({ handshakesRefused }) => handshakesRefused),
    },
    {
      name: 'flowrelay_zmq_records_left_out_total',
      kind: 'counter',
      help: 'Records that are no flows to ntopng, by reason.',
      samples: leftOut,
    },
    plainMetric(
      'flowrelay_zmq_flows_clamped_total',
      'counter',
      'Flows whose octets or packets are more than may be split.',
      flows?.flowsClamped ?? 0,
    ),
  ];
}
