import { randomFillSync } from 'node:crypto';
import type { Configuration } from '../config/configuration.ts';
import type { RecordOutput } from '../flow/record-output.ts';
import type { CapturedPacket } from '../input/capture-file.ts';
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

/** Hands captured packets to a metering process. */
export class PacketFeed {
  readonly #meter: MeteringProcess;
  readonly #interfaceNumber: number;
  #view: DataView | undefined;
  #octets: Uint8Array = new Uint8Array(0);

  /** Packets come in at the interface of this number. */
  constructor(meter: MeteringProcess, interfaceNumber: number) {
    this.#meter = meter;
    this.#interfaceNumber = interfaceNumber;
  }

  /** Takes a packet where it lies. */
  add(packet: CapturedPacket): void {
    const { view, start, end, originalLength, linkType, seconds, nanoseconds } = packet;
    if (view !== this.#view) {
      this.#view = view;
      this.#octets = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    }
    const timeUs = seconds * US_PER_SECOND + nanoseconds / 1000;
    this.#meter.add(this.#octets, view, start, end, originalLength, linkType, timeUs, this.#interfaceNumber);
  }
}
