/** Fields of all plans together: a field planned, and later written by a compiled line, takes up to two kilobytes. */
const MAX_PLANNED_FIELDS = 32_768;

/** Whoever holds plans that it can make again. */
export interface PlanHolder {
  /** Forgets them; they are made again when they are needed. */
  unload(): void;
}

/** Keeps the memory of plans bounded: Templates are cheap to announce, and each one in use has a plan. */
export class PlanBudget {
  private readonly holders = new Map<PlanHolder, number>();
  private readonly limit: number;
  private fields = 0;

  constructor(limit: number = MAX_PLANNED_FIELDS) {
    this.limit = limit;
  }

  /** Counts `fields` more for `holder`, and unloads those that planned longest ago while there are too many. */
  add(holder: PlanHolder, fields: number): void {
    this.fields += fields;
    const held = this.holders.get(holder) ?? 0;
    this.holders.delete(holder);
    this.holders.set(holder, held + fields);
    for (const [other, otherFields] of this.holders) {
      if (this.fields <= this.limit || other === holder) return;
      this.holders.delete(other);
      this.fields -= otherFields;
      other.unload();
    }
  }
}
