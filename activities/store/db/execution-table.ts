// Tables whose rows have a workflow each: what upkeep reads of them, and what it writes of an execution that it has looked
// at, unless another has taken its place since. For those with which nothing else goes.
import { type RawBuilder, sql } from 'kysely';
import type { Db } from './database.ts';

/** The execution that was looked at. */
export interface Seen {
  id: string;
  execution_id: string | null;
  generation: number;
}

export interface ExecutionTable<Row> {
  /** Made a while ago, and their workflow has not begun; by id. */
  listUnstarted(db: Db, olderThanMs: number, limit: number, afterId?: string): Promise<Row[]>;
  /** Those whose workflow should exist, by id. */
  listActive(db: Db, limit: number, afterId?: string): Promise<Row[]>;
  /** Its workflow is gone: another goes on where that one was. Undefined: it has another already. */
  giveAnother(db: Db, seen: Seen): Promise<Row | undefined>;
  /** False when there is nothing to mark any more. */
  markStuck(db: Db, seen: Seen, stuck: string | null): Promise<boolean>;
}

/** `open`: what rows of the table must be to have an execution at all. */
export function executionTable<Row>(
  table: string,
  open: RawBuilder<unknown> = sql`true`,
): ExecutionTable<Row> {
  const isStill = ({ id, execution_id: executionId, generation }: Seen) =>
    sql`id = ${id} and generation = ${generation} and execution_id is not distinct from ${executionId} and ${open}`;
  const list = async (
    db: Db,
    which: RawBuilder<unknown>,
    limit: number,
    afterId?: string,
  ): Promise<Row[]> => {
    const behind = afterId === undefined ? sql`true` : sql`id > ${afterId}`;
    const { rows } = await sql<Row>`select * from ${sql.table(table)}
      where ${open} and ${which} and ${behind} order by id limit ${limit}`.execute(db);
    return rows;
  };
  return {
    listUnstarted(db, olderThanMs, limit, afterId) {
      const before = new Date(Date.now() - olderThanMs);
      return list(db, sql`execution_id is null and created_at < ${before}`, limit, afterId);
    },
    listActive: (db, limit, afterId) => list(db, sql`true`, limit, afterId),
    async giveAnother(db, seen) {
      const { rows } = await sql<Row>`update ${sql.table(table)}
        set generation = generation + 1, execution_id = null, stuck = null
        where ${isStill(seen)} returning *`.execute(db);
      return rows[0];
    },
    async markStuck(db, seen, stuck) {
      const marked =
        await sql`update ${sql.table(table)} set stuck = ${stuck} where ${isStill(seen)}`.execute(db);
      return marked.numAffectedRows === 1n;
    },
  };
}
