/** Details of a host: classes and protocols, each a small number; a power of two. */
export const DETAILS = 32;
const FIRST_HOSTS = 16;

/**
 * Rows of hosts' details in other tables, by host: those of one host lie side by side, where the rows' own keys would have to be
 * made and looked up for each flow.
 */
export class HostDetails {
  /** Row and one, 0 for none. */
  private rows = new Int32Array(FIRST_HOSTS * DETAILS);
  /** Of a detail's row in each table: where it stands in the above, and one; 0 for none. */
  private readonly places: Int32Array<ArrayBuffer>[];

  /** Rows are those of so many tables. */
  constructor(tables: number) {
    this.places = Array.from({ length: tables }, () => new Int32Array(FIRST_HOSTS));
  }

  /** The row of a host's detail, or -1. */
  find(host: number, detail: number): number {
    const place = host * DETAILS + detail;
    // Behind the end there is nothing.
    return place < this.rows.length ? this.rows[place]! - 1 : -1;
  }

  /** Reads where the details of the first `count` of some hosts are, and gives something of them. */
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
    const place = host * DETAILS + detail;
    this.rows = atLeast(this.rows, (host + 1) * DETAILS);
    this.places[table] = atLeast(this.places[table]!, row + 1);
    this.rows[place] = row + 1;
    this.places[table][row] = place + 1;
  }

  /** Forgets a host. */
  forgetHost(host: number): void {
    this.rows.fill(0, host * DETAILS, (host + 1) * DETAILS);
  }

  /** Forgets a detail's row. */
  forgetDetail(table: number, row: number): void {
    const place = (this.places[table]![row] ?? 0) - 1;
    // Another host may have the place by now.
    if (place >= 0 && this.rows[place] === row + 1) this.rows[place] = 0;
  }
}

function atLeast(from: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  if (length <= from.length) return from;
  const to = new Int32Array(Math.max(length, 2 * from.length));
  to.set(from);
  return to;
}
