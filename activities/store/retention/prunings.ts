// Prunings: what was asked to be removed, as rows. A pruning is carried out in small batches, each a transaction
// that also notes how far it has come, or files and then that note: a death between two of them costs nothing, and one
// process at a time is at it.
import { type Selectable, sql, type Updateable } from 'kysely';
import { v7 as uuid } from 'uuid';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { PruningView } from '../../../workflows/contracts/retention.ts';
import { type Db, isStoreOutage, type Queries } from '../db/database.ts';
import type { Prunings } from '../db/tables.ts';
import { transact } from '../db/transactions.ts';
import { type RetentionSettings, type SweepName, sweptRows } from './retention-table.ts';
import type { Sweeps } from './sweeps.ts';

export type PruningRow = Selectable<Prunings>;

/** By row of the retention table: what is older goes. What is kept for ever is not in it. */
export type Cutoffs = Partial<Record<SweepName, Date>>;

interface Asked {
  /** In place of every setting that is not zero. */
  olderThanSeconds?: number | undefined;
  runs?: boolean | undefined;
}

// Any constant: it only has to be the same in every process that prunes.
const pruningLock = 7_700_003;
// Postgres was there for each of them: it is the row that takes too long, and the rows behind it wait.
const mostOutages = 5;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Refuses runs without an age. */
export function cutoffsOf(settings: RetentionSettings, now: Date, asked: Asked = {}): Cutoffs {
  const ago = (ms: number): Date => new Date(now.getTime() - ms);
  const cutoffs: Cutoffs = {};
  for (const { name, kept } of sweptRows) {
    if ('hours' in kept) {
      cutoffs[name] = ago(kept.hours * hourMs);
      continue;
    }
    const count = settings[kept.setting];
    const wanted = name === 'runs' ? count > 0 || asked.runs === true : count > 0;
    if (!wanted) continue;
    if (asked.olderThanSeconds !== undefined && (name !== 'runs' || asked.runs === true))
      cutoffs[name] = ago(asked.olderThanSeconds * 1000);
    else if (count > 0) cutoffs[name] = name === 'ledger' ? monthsAgo(now, count) : ago(count * dayMs);
  }
  if (asked.runs && !cutoffs.runs) {
    throw new Failure('InvalidInput', 'Finished runs are kept for ever here: say how old they are with it.', {
      fields: [{ path: 'olderThanSeconds', problem: 'must be given with runs, since no setting is' }],
    });
  }
  return cutoffs;
}

function monthsAgo(now: Date, months: number): Date {
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1));
}

/** Undefined when that night has its pruning already. */
export async function addPruning(
  queries: Queries,
  pruning: { tenantId: string; by: string; cutoffs: Cutoffs; night?: string },
): Promise<PruningRow | undefined> {
  return queries
    .insertInto('prunings')
    .values({
      id: uuid(),
      tenant_id: pruning.tenantId,
      by: pruning.by,
      night: pruning.night ?? null,
      cutoffs: JSON.stringify(pruning.cutoffs),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'night']).doNothing())
    .returningAll()
    .executeTakeFirst();
}

export async function findPruning(
  queries: Queries,
  tenantId: string,
  id: string,
): Promise<PruningRow | undefined> {
  return queries
    .selectFrom('prunings')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst();
}

type Removed = Partial<Record<SweepName, { rows: number; bytes: number }>>;

export function toPruningView(row: PruningRow): PruningView {
  const cutoffs = row.cutoffs as Partial<Record<SweepName, string>>;
  const removed = row.removed as Removed;
  return {
    id: row.id,
    by: row.by,
    createdAt: row.created_at.toISOString(),
    finishedAt: row.finished_at?.toISOString() ?? null,
    items: sweptRows.flatMap(({ name }) => {
      const before = cutoffs[name];
      return before === undefined ? [] : [{ name, before, ...(removed[name] ?? { rows: 0, bytes: 0 }) }];
    }),
  };
}

/** The pruning to go on with, the oldest first. */
async function openPruning(queries: Queries): Promise<PruningRow | undefined> {
  return queries
    .selectFrom('prunings')
    .selectAll()
    .where('finished_at', 'is', null)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
}

/**
 * One batch of the oldest pruning under way. False when there is none, or another process is at it. A row that cannot be
 * swept now is left for the next night: `onFailure` is told, and the others go on.
 */
export async function pruneBatch(
  db: Db,
  sweeps: Sweeps,
  onFailure: (error: unknown, name: SweepName) => void,
): Promise<boolean> {
  const seen = await openPruning(db);
  if (!seen) return false;
  const row = sweptRows[seen.done];
  try {
    const goesOn = await alone(db, () => carryOn(db, sweeps, seen));
    if (goesOn) outages = none;
    return goesOn;
  } catch (error) {
    if (!row || (isStoreOutage(error) && !isStuck(seen))) throw error;
    onFailure(error, row.name);
    await db
      .updateTable('prunings')
      .set({ done: seen.done + 1 })
      .where('id', '=', seen.id)
      .where('done', '=', seen.done)
      .execute();
    return true;
  }
}

const none = { of: '', times: 0 };
// Of this process, one after another.
let outages = none;

function isStuck({ id, done }: PruningRow): boolean {
  const of = `${id} ${done}`;
  outages = { of, times: outages.of === of ? outages.times + 1 : 1 };
  return outages.times >= mostOutages;
}

/**
 * False when another process is at it. The lock is a connection's, since not all of the work is in transactions; nothing
 * else is asked there that its end could wait behind.
 */
async function alone(db: Db, act: () => Promise<boolean>): Promise<boolean> {
  return db.connection().execute(async (held) => {
    const { rows } = await sql<{
      mine: boolean;
    }>`select pg_try_advisory_lock(${pruningLock}) as mine`.execute(held);
    if (!rows[0]?.mine) return false;
    try {
      return await act();
    } finally {
      await sql`select pg_advisory_unlock(${pruningLock})`.execute(held);
    }
  });
}

async function carryOn(db: Db, sweeps: Sweeps, seen: PruningRow): Promise<boolean> {
  const pruning = await findPruning(db, seen.tenant_id, seen.id);
  // Another process has carried it on meanwhile.
  if (!pruning || pruning.finished_at !== null || pruning.done !== seen.done) return true;
  const row = sweptRows[pruning.done];
  const before = row && (pruning.cutoffs as Partial<Record<SweepName, string>>)[row.name];
  const note = (queries: Queries, change: Updateable<Prunings>) =>
    queries.updateTable('prunings').where('id', '=', pruning.id).set(change).execute();
  if (!row) {
    await note(db, { finished_at: new Date() });
    return true;
  }
  const sweep = sweeps[row.name];
  const act = async (queries: Queries): Promise<void> => {
    const swept =
      before === undefined
        ? { rows: 0, bytes: 0, more: false }
        : await sweep.batch(queries, { tenantId: pruning.tenant_id, before: new Date(before) });
    const removed = pruning.removed as Removed;
    const sum = removed[row.name] ?? { rows: 0, bytes: 0 };
    const all = { ...removed, [row.name]: { rows: sum.rows + swept.rows, bytes: sum.bytes + swept.bytes } };
    await note(queries, { removed: JSON.stringify(all), done: pruning.done + (swept.more ? 0 : 1) });
  };
  await (sweep.inFiles ? act(db) : transact(db, `prune-${row.name}`, act));
  return true;
}
