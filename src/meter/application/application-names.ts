import { L7_NAMES } from './application-numbers.ts';

/** Names of applications as nDPI writes them, `TLS.Google`: made once each. */
export class ApplicationNames {
  private readonly services: ReadonlyMap<number, string>;
  private readonly made = new Map<number, string>();

  /** `services` are names by number, beside those of protocols. */
  constructor(services: ReadonlyMap<number, string>) {
    this.services = services;
  }

  /** The name of `application` within `master`, which is 0 where it is carried by nothing else. */
  of(master: number, application: number): string {
    const key = master * 65_536 + application;
    let name = this.made.get(key);
    if (name === undefined) {
      const own = this.ofNumber(application);
      name = master === 0 ? own : `${this.ofNumber(master)}.${own}`;
      this.made.set(key, name);
    }
    return name;
  }

  private ofNumber(application: number): string {
    return L7_NAMES.get(application) ?? this.services.get(application) ?? String(application);
  }
}
