import { randomFillSync } from 'node:crypto';
import type { Configuration } from '../config/configuration.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import { PayloadDetector } from '../meter/application/payload-detector.ts';
import { loadBuiltInServices } from '../meter/application-services.ts';
import type { MeteredInterface } from '../meter/flow-record.ts';
import { MeteringProcess } from '../meter/metering-process.ts';

const US_PER_SECOND = 1_000_000;

/** What meters, and what finds applications where that is asked for. */
export interface Metering {
  readonly meter: MeteringProcess;
  readonly detector: PayloadDetector | undefined;
}

/** The metering process a configuration asks for. */
export function meteringOf(
  configuration: Configuration,
  output: RecordOutput,
  interfaces: readonly MeteredInterface[],
): Metering {
  const { flowKey, uniflow, tunnels, sample, tcpAnalysis, maxFlows, idleTimeout, activeTimeout } = configuration;
  const detector = configuration.applicationDetection
    ? new PayloadDetector(maxFlows, { services: loadBuiltInServices() })
    : undefined;
  const meter = new MeteringProcess(
    {
      maxFlows,
      idleTimeoutUs: idleTimeout * US_PER_SECOND,
      activeTimeoutUs: activeTimeout * US_PER_SECOND,
      key: {
        vlan: flowKey.includes('vlan'),
        tunnel: flowKey.includes('tunnel'),
        mac: flowKey.includes('mac'),
        uniflow,
      },
      tunnels,
      samplingInterval: sample,
      tcpAnalysis,
      interfaces,
      seed: randomFillSync(new Uint32Array(2)),
    },
    output,
    detector,
  );
  return { meter, detector };
}
