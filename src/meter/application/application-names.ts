import { L7_NAMES } from './application-numbers.ts';

/** Longest name; nDPI's are shorter. */
export const MAX_NAME_OCTETS = 64;

/** Names of applications as nDPI writes them, `TLS.Google`, in octets: made once each. */
export class ApplicationNames {
  private readonly services: ReadonlyMap<number, string>;
  private readonly made = new Map<number, Uint8Array>();

  /** `services` are names by number, beside those of protocols. */
  constructor(services: ReadonlyMap<number, string>) {
    this.services = services;
  }

  /** The name of `application` within `master`, which is 0 where it is carried by nothing else. */
  of(master: number, application: number): Uint8Array {
    const key = master * 65_536 + application;
    let name = this.made.get(key);
    if (name === undefined) {
      const own = this.ofNumber(application);
      const text = master === 0 ? own : `${this.ofNumber(master)}.${own}`;
      name = Uint8Array.from(Buffer.from(text, 'latin1')).subarray(0, MAX_NAME_OCTETS);
      this.made.set(key, name);
    }
    return name;
  }

  private ofNumber(application: number): string {
    return L7_NAMES.get(application) ?? this.services.get(application) ?? String(application);
  }
}
