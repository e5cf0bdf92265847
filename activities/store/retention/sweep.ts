// What every row of the retention table that is swept can do: say what would go, and remove one small batch of it.
import type { Queries } from '../db/database.ts';

export interface Amount {
  rows: number;
  bytes: number;
}

export interface Sweep {
  /** What is older than that; counting stops after `most` rows, which a page of the plan can wait for. */
  measure(queries: Queries, of: Swept, most: number): Promise<Amount>;
  /**
   * Removes some of it in the caller's transaction. Called again as long as there is `more`; safe to repeat. `inFiles`: what
   * it removes are files, and there is no transaction, which would be idle meanwhile.
   */
  batch(queries: Queries, of: Swept): Promise<Amount & { more: boolean }>;
  inFiles?: true;
}

export interface Swept {
  tenantId: string;
  before: Date;
}

// Its locks are felt for some tens of milliseconds at most, and no statement comes near its time limit.
export const batchRows = 2000;

/** What a statement that ends in `returning … as bytes` removed. */
export function amountOf(
  rows: readonly { bytes: number | null }[],
  most = batchRows,
): Amount & { more: boolean } {
  const bytes = rows.reduce((sum, row) => sum + Number(row.bytes ?? 0), 0);
  return { rows: rows.length, bytes, more: rows.length >= most };
}
