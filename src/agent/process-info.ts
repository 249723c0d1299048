/** A process as /proc shows it (proc(5)), in the words of ntop's agents. */
export interface ProcessInfo {
  readonly pid: number;
  /** When it began, in clock ticks since the system did: with the pid it names a process for ever. */
  readonly startTicks: number;
  /** Pid of its father, 0 for none. */
  readonly fatherPid: number;
  /** What the process calls itself, up to 15 octets. */
  readonly name: string;
  /** The program's file, as the process sees it; its name where that cannot be read. */
  readonly path: string;
  /** Its arguments with spaces between, bounded; `''` where that cannot be read. */
  readonly commandLine: string;
  readonly userId: number;
  /** The number as text where the user has no name. */
  readonly userName: string;
  readonly groupId: number;
  readonly groupName: string;
  /** Virtual memory, KiB. */
  readonly virtualKib: number;
  /** Its highest, KiB. */
  readonly virtualPeakKib: number;
  /** Package that the program's file belongs to, by the system's package manager; `''` where none. */
  readonly packageName: string;
  /** The lines of /proc/PID/cgroup, for {@link ContainerInfo}. */
  readonly cgroup: string;
}

/** What a process used between two looks at it: the elements 383 to 394 of ntop (PEN 35632). */
export interface ProcessUsage {
  /** Resident memory now, octets. */
  readonly residentOctets: number;
  /** Its highest since the first look, octets. */
  readonly residentPeakOctets: number;
  /** CPU time over wall time, percent times 100; several threads may exceed 10,000. */
  readonly cpuLoad: number;
  /** Page faults, minor and major. */
  readonly pageFaults: number;
  /** Time waiting for block devices over wall time, percent times 100. */
  readonly ioWait: number;
}
