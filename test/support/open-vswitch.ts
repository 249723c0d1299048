/** An Open vSwitch of a lab's own: its database, its daemon in user space, a bridge and two ports to feed frames into. */

import { existsSync, mkdirSync } from 'node:fs';
import type { Lab } from './lab.ts';

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';

/** Whether the daemon's database schema is where Debian puts it. */
export function hasOpenVSwitch(): boolean {
  return existsSync(SCHEMA);
}

/** A bridge `br0` with the ports `p1` and `p2`: ifIndexes are the daemon's own. */
export class OpenVSwitch {
  readonly #lab: Lab;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #database: string;

  private constructor(lab: Lab) {
    const directory = lab.path('ovs');
    mkdirSync(directory);
    this.#lab = lab;
    this.#environment = {
      OVS_RUNDIR: directory,
      OVS_LOGDIR: directory,
      OVS_DBDIR: directory,
      OVS_SYSCONFDIR: directory,
    };
    this.#database = `unix:${directory}/db.sock`;
  }

  /** Starts it; it ends with the lab. */
  static async start(lab: Lab): Promise<OpenVSwitch> {
    const ovs = new OpenVSwitch(lab);
    const directory = lab.path('ovs');
    lab.runWith(ovs.#environment, 'ovsdb-tool', 'create', `${directory}/conf.db`, SCHEMA);
    const database = lab.start(
      'ovsdb-server',
      [`${directory}/conf.db`, `--remote=punix:${directory}/db.sock`, `--unixctl=${directory}/db.ctl`],
      ovs.#environment,
    );
    await database.until(() => existsSync(`${directory}/db.sock`), 'the database');
    ovs.configure('--no-wait', 'init');
    const daemon = lab.start(
      'ovs-vswitchd',
      [ovs.#database, '--enable-dummy', '--disable-system', `--unixctl=${directory}/switch.ctl`],
      ovs.#environment,
    );
    await daemon.until(() => existsSync(`${directory}/switch.ctl`), 'the switch');
    ovs.configure('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=dummy', 'fail-mode=standalone');
    for (const port of ['p1', 'p2']) {
      ovs.configure('add-port', 'br0', port, '--', 'set', 'interface', port, 'type=dummy');
    }
    return ovs;
  }

  /** Runs `ovs-vsctl`. */
  configure(...args: readonly string[]): string {
    return this.#lab.runWith(this.#environment, 'ovs-vsctl', `--db=${this.#database}`, '--timeout=60', ...args);
  }

  /** Runs `ovs-appctl` on the switch. */
  control(...args: readonly string[]): string {
    return this.#lab.runWith(this.#environment, 'ovs-appctl', '-t', this.#lab.path('ovs/switch.ctl'), ...args);
  }

  /** Lets a frame come in at a port. */
  receive(port: string, frame: Uint8Array): void {
    this.control('netdev-dummy/receive', port, Buffer.from(frame).toString('hex'));
  }
}
