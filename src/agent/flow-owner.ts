import type { ContainerInfo } from './container-info.ts';
import type { ProcessInfo, ProcessUsage } from './process-info.ts';

/** Who has an end of a flow. What is not known is undefined. */
export interface FlowOwner {
  readonly process: ProcessInfo | undefined;
  readonly father: ProcessInfo | undefined;
  readonly container: ContainerInfo | undefined;
  /** User of the socket, or of the process; -1 where unknown. */
  readonly userId: number;
  /** Its name, the number as text where it has none; `''` where unknown. */
  readonly userName: string;
  /** What the process used since the flow began. */
  readonly usage: ProcessUsage | undefined;
}
