import { atLeast, UNKNOWN } from './application-rows.ts';

/** Details of a host, each a small number; a power of two. */
export const DETAILS = 32;
/** Those below are the usual ones, whose state fits into an octet for each host. */
export const USUAL = 3;
/** In that octet, above bits of those that have a row: bits of those for which there is no room. */
const OVER_SHIFT = 4;
const FIRST_HOSTS = 16;

/**
 * Rows of hosts' details in other tables, by host: those of one host lie side by side, where the rows' own keys would have to be
 * made and looked up for each flow. Keeps also for which of the usual ones there was no room.
 */
export class HostDetails {
  /** Row and one, 0 where there is none. */
  private rows = new Int32Array(FIRST_HOSTS * DETAILS);
  private usual = new Uint8Array(FIRST_HOSTS);
  /** Of a detail's row in each table: where it stands in the above, and one; 0 for none. */
  private readonly places: Int32Array<ArrayBuffer>[];
  /** Where there was no room since the last {@link HostDetails.takeOver}. */
  private over: number[] = [];

  /** Rows are those of so many tables. */
  constructor(tables: number) {
    this.places = Array.from({ length: tables }, () => new Int32Array(FIRST_HOSTS));
  }

  /** The row of a host's detail, or {@link UNKNOWN}. */
  find(host: number, detail: number): number {
    const place = host * DETAILS + detail;
    // Behind the end there is nothing.
    return place < this.rows.length ? this.rows[place]! - 1 : UNKNOWN;
  }

  /** Which of a host's usual details have a row, to be asked with {@link hasRow}, and for which there is no room, with {@link isOver}. */
  stateOf(host: number): number {
    return host < this.usual.length ? this.usual[host]! : 0;
  }

  /** Keeps the row of a host's detail in one of the tables. */
  set(host: number, detail: number, table: number, row: number): void {
    this.makeRoom(host);
    const places = atLeast(this.places[table]!, row + 1);
    this.places[table] = places;
    const place = host * DETAILS + detail;
    this.rows[place] = row + 1;
    places[row] = place + 1;
    if (detail < USUAL) this.usual[host] = (this.usual[host]! & ~(1 << (OVER_SHIFT + detail))) | (1 << detail);
  }

  /** Keeps that there is no room for one of a host's usual details. */
  setOver(host: number, detail: number): void {
    this.makeRoom(host);
    if (isOver(this.usual[host]!, detail)) return;
    this.usual[host] = this.usual[host]! | (1 << (OVER_SHIFT + detail));
    this.over.push(host * DETAILS + detail);
  }

  /** Forgets for what there was no room, and gives it as `host * DETAILS + detail`. */
  takeOver(): number[] {
    const taken: number[] = [];
    for (const place of this.over) {
      const host = Math.floor(place / DETAILS);
      const detail = place % DETAILS;
      // Once each, and not where there is a row or the host is gone.
      if (!isOver(this.usual[host]!, detail)) continue;
      this.usual[host] = this.usual[host]! & ~(1 << (OVER_SHIFT + detail));
      taken.push(place);
    }
    this.over = [];
    return taken;
  }

  /** What has a row, as `host * DETAILS + detail`; {@link UNKNOWN} where it is nothing that is known. */
  placeOf(table: number, row: number): number {
    const place = (this.places[table]![row] ?? 0) - 1;
    // Another host may have the place by now.
    return place >= 0 && this.rows[place] === row + 1 ? place : UNKNOWN;
  }

  /** Forgets a host. */
  forgetHost(host: number): void {
    this.rows.fill(0, host * DETAILS, (host + 1) * DETAILS);
    if (host < this.usual.length) this.usual[host] = 0;
  }

  /** Forgets a detail's row. */
  forgetDetail(table: number, row: number): void {
    const place = this.placeOf(table, row);
    if (place < 0) return;
    this.rows[place] = 0;
    const detail = place % DETAILS;
    const host = Math.floor(place / DETAILS);
    if (detail < USUAL) this.usual[host] = this.usual[host]! & ~(1 << detail);
  }

  private makeRoom(host: number): void {
    this.rows = atLeast(this.rows, (host + 1) * DETAILS);
    if (host < this.usual.length) return;
    const usual = new Uint8Array(Math.max(host + 1, 2 * this.usual.length));
    usual.set(this.usual);
    this.usual = usual;
  }
}

/** Whether a usual detail has a row. */
export function hasRow(state: number, detail: number): boolean {
  return (state & (1 << detail)) !== 0;
}

/** Whether there is no room for a usual detail. */
export function isOver(state: number, detail: number): boolean {
  return (state & (1 << (OVER_SHIFT + detail))) !== 0;
}
