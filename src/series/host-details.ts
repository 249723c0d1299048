/** Details of a host, each a small number; a power of two. The first 16, those that most flows ask for, share a cache line. */
export const DETAILS = 64;
/** Applications of a host that are kept at a time: the details from {@link FIRST_APPLICATION} on. */
const APPLICATIONS = 8;
const FIRST_APPLICATION = 8;
/** First detail that is none of the usual ones. */
export const FIRST_UNUSUAL = FIRST_APPLICATION + APPLICATIONS;

/** An entry of an application is its number above, and a row and one in so many bits. */
const ROW_BITS = 20;
const ROW_MASK = 2 ** ROW_BITS - 1;
/** Numbers of applications that can be kept are below. */
export const MOST_APPLICATIONS = 2 ** (31 - ROW_BITS);

/** Nothing is known. */
export const UNKNOWN = -1;
/** There was no room for it: until the step ends it goes to `other`. */
export const OVER = -2;

const FIRST_HOSTS = 16;

/**
 * Rows of hosts' details in other tables, by host: those of one host lie side by side, where the rows' own keys would have to be
 * made and looked up for each flow. Also keeps for which there was no room.
 */
export class HostDetails {
  /** Row and one, 0 where nothing is known, {@link ROW_MASK} in an application's for {@link OVER}, which is -1 in others. */
  private rows = new Int32Array(FIRST_HOSTS * DETAILS);
  /** Of a detail's row in each table: where it stands in the above, and one; 0 for none. */
  private readonly places: Int32Array<ArrayBuffer>[];
  /** Where {@link OVER} was set since the last {@link HostDetails.takeOver}. */
  private over: number[] = [];

  /** Rows are those of so many tables. */
  constructor(tables: number) {
    this.places = Array.from({ length: tables }, () => new Int32Array(FIRST_HOSTS));
  }

  /** The row of a host's detail, {@link UNKNOWN} or {@link OVER}. */
  find(host: number, detail: number): number {
    const place = host * DETAILS + detail;
    // Behind the end there is nothing.
    return place < this.rows.length ? this.rows[place]! - 1 : UNKNOWN;
  }

  /** The row of a host's application, {@link UNKNOWN} or {@link OVER}. */
  findApplication(host: number, number: number): number {
    const place = host * DETAILS + FIRST_APPLICATION + (number & (APPLICATIONS - 1));
    if (number < 0 || place >= this.rows.length) return UNKNOWN;
    const entry = this.rows[place]!;
    if (entry >> ROW_BITS !== number) return UNKNOWN;
    const row = entry & ROW_MASK;
    return row === ROW_MASK ? OVER : row - 1;
  }

  /** Reads where the usual details of the first `count` of some hosts are, and gives something of them. */
  fetch(hosts: Int32Array, count: number): number {
    const { rows } = this;
    let fetched = 0;
    for (let i = 0; i < count; i++) {
      const place = hosts[i]! * DETAILS;
      if (place < rows.length) fetched ^= rows[place]!;
    }
    return fetched;
  }

  /** Keeps the row of a host's detail in one of the tables. */
  set(host: number, detail: number, table: number, row: number): void {
    this.put(host, host * DETAILS + detail, table, row, row + 1);
  }

  /** Keeps that there is no room for a host's detail. */
  setOver(host: number, detail: number): void {
    this.putOver(host, host * DETAILS + detail, OVER + 1);
  }

  /** Keeps the row of a host's application, instead of another one's where these are many. */
  setApplication(host: number, number: number, table: number, row: number): void {
    if (number < 0 || number >= MOST_APPLICATIONS || row + 1 >= ROW_MASK) return;
    const place = host * DETAILS + FIRST_APPLICATION + (number & (APPLICATIONS - 1));
    this.put(host, place, table, row, (number << ROW_BITS) | (row + 1));
  }

  /** Keeps that there is no room for a host's application, unless another one has the place. */
  setApplicationOver(host: number, number: number): void {
    if (number < 0 || number >= MOST_APPLICATIONS) return;
    const place = host * DETAILS + FIRST_APPLICATION + (number & (APPLICATIONS - 1));
    if (place < this.rows.length && this.rows[place] !== 0) return;
    this.putOver(host, place, (number << ROW_BITS) | ROW_MASK);
  }

  /**
   * The host of a detail's row, as `host * DETAILS + detail`; {@link UNKNOWN} where it has another one by now, or none.
   */
  placeOf(table: number, row: number): number {
    const place = (this.places[table]![row] ?? 0) - 1;
    return place >= 0 && this.rows[place] === row + 1 ? place : UNKNOWN;
  }

  /**
   * Forgets for what there was no room, and gives what of it are no applications as `host * DETAILS + detail`.
   */
  takeOver(): number[] {
    const { over, rows } = this;
    this.over = [];
    const taken: number[] = [];
    for (const place of over) {
      const isApplication = isApplicationAt(place);
      // Once each, and not where there is a row or the host is gone.
      if (isApplication ? (rows[place]! & ROW_MASK) !== ROW_MASK : rows[place] !== OVER + 1) continue;
      rows[place] = 0;
      if (!isApplication) taken.push(place);
    }
    return taken;
  }

  /** Forgets a host. */
  forgetHost(host: number): void {
    this.rows.fill(0, host * DETAILS, (host + 1) * DETAILS);
  }

  /** Forgets a detail's row. */
  forgetDetail(table: number, row: number): void {
    const place = (this.places[table]![row] ?? 0) - 1;
    if (place < 0) return;
    const entry = this.rows[place]!;
    // Another host or application may have the place by now.
    if ((isApplicationAt(place) ? entry & ROW_MASK : entry) === row + 1) this.rows[place] = 0;
  }

  private put(host: number, place: number, table: number, row: number, entry: number): void {
    this.rows = atLeast(this.rows, (host + 1) * DETAILS);
    const places = atLeast(this.places[table]!, row + 1);
    this.places[table] = places;
    this.rows[place] = entry;
    places[row] = place + 1;
  }

  private putOver(host: number, place: number, entry: number): void {
    this.rows = atLeast(this.rows, (host + 1) * DETAILS);
    this.rows[place] = entry;
    this.over.push(place);
  }
}

function isApplicationAt(place: number): boolean {
  const detail = place & (DETAILS - 1);
  return detail >= FIRST_APPLICATION && detail < FIRST_UNUSUAL;
}

function atLeast(from: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  if (length <= from.length) return from;
  const to = new Int32Array(Math.max(length, 2 * from.length));
  to.set(from);
  return to;
}
