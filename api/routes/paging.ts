// Cursor paging: what every list does with `limit` and `cursor`.
import { z } from 'zod';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';

// A screenful; more is asked for by name.
export const usualLimit = 50;

const uuidCursor = z.object({ cursor: id.optional() });

/** The id a list by id goes on from. */
export function idCursor(cursor: string | undefined): string | undefined {
  const parsed = uuidCursor.safeParse({ cursor });
  if (!parsed.success) throw invalidCursor();
  return parsed.data.cursor;
}

/** The number a list by number goes on from. */
export function numberCursor(cursor: string): number {
  // Fifteen digits are more entries than there will be, and exact.
  if (!/^\d{1,15}$/.test(cursor)) throw invalidCursor();
  return Number(cursor);
}

export function invalidCursor(): Failure {
  return new Failure('InvalidCursor', 'Use the nextCursor of the page before as it was given.');
}

/** The rows of a page and the cursor behind them: null when this was the last page. */
export function toPage<Row, View>(
  rows: Row[],
  limit: number,
  views: { toView: (row: Row) => View; toCursor: (row: Row) => string },
): { items: View[]; nextCursor: string | null } {
  const last = rows.length === limit ? rows.at(-1) : undefined;
  return { items: rows.map(views.toView), nextCursor: last === undefined ? null : views.toCursor(last) };
}
