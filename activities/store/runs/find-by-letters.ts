// Finds runs, conversations, approvals, dead letters and tasks by some letters of their ids, as people type them.
import { type RawBuilder, sql } from 'kysely';
import { type FoundKind, type FoundView, mostFound } from '../../../workflows/contracts/find.ts';
import type { Db } from '../db/database.ts';

interface Kind {
  table: RawBuilder<unknown>;
  text: RawBuilder<string>;
  /** What `last` means: the rows that are looked at, in which order, and how many are wanted. */
  last: RawBuilder<unknown>;
}

// An answer is given to what was read. Where several wait, `last` could be one that came a moment ago: all are found, and
// the person must say which.
const kinds: Record<FoundKind, Kind> = {
  run: { table: sql.table('runs'), text: sql`prompt`, last: sql`and kind = 'main' order by id desc limit 1` },
  conversation: {
    table: sql.table('conversations'),
    text: sql`title`,
    last: sql`order by last_activity_at desc, id desc limit 1`,
  },
  approval: {
    table: sql.table('approvals'),
    text: sql`text`,
    last: sql`and status = 'open' order by id desc limit ${mostFound}`,
  },
  task: { table: sql.table('tasks'), text: sql`title`, last: sql`order by id desc limit 1` },
  'dead-letter': {
    table: sql.table('dead_letters'),
    text: sql`reason`,
    last: sql`and resolution is null order by id desc limit ${mostFound}`,
  },
};

/**
 * The short form is found among so many of the newest: no index has the ends of ids, and this takes some milliseconds.
 * Older ones are found by the beginning of their id, which an index has.
 */
const mostSearched = 10_000;

interface Wanted {
  tenantId: string;
  kind: FoundKind;
  /** Hexadecimal digits, with hyphens or without; or `last`. */
  id: string;
}

/** Newest first. */
export async function findByLetters(db: Db, { tenantId, kind, id }: Wanted): Promise<FoundView[]> {
  const { table, text, last } = kinds[kind];
  const letters = id.toLowerCase();
  const { rows } = await sql<{ id: string; text: string; created_at: Date }>`
    select id, left(${text}, 200) as text, created_at from ${table} where tenant_id = ${tenantId}
    ${letters === 'last' ? last : withLetters(table, tenantId, letters)}`.execute(db);
  return rows.map((row) => ({
    kind,
    id: row.id,
    text: row.text,
    createdAt: row.created_at.toISOString(),
  }));
}

function withLetters(table: RawBuilder<unknown>, tenantId: string, letters: string): RawBuilder<unknown> {
  const digits = letters.replaceAll('-', '');
  const [lowest, highest] = [digits.padEnd(32, '0'), digits.padEnd(32, 'f')];
  const byBeginning = sql`select id from ${table}
    where tenant_id = ${tenantId} and id between ${lowest}::uuid and ${highest}::uuid
    order by id desc limit ${mostFound}`;
  const newest = sql`select id from ${table} where tenant_id = ${tenantId} order by id desc limit ${mostSearched}`;
  // The short form has eight letters.
  const ids =
    digits.length > 8
      ? byBeginning
      : sql`(${byBeginning}) union select id from (${newest}) newest where right(id::text, 8) like ${`${digits}%`}`;
  return sql`and id = any(array(${ids})) order by id desc limit ${mostFound}`;
}
