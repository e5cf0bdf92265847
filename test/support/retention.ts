// Pruning in tests: nothing in any data folder, rows made old, and a pruning carried out to its end.
import { createContents } from '../../activities/store/log/contents.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import {
  addPruning,
  type Cutoffs,
  cutoffsOf,
  pruneBatch,
} from '../../activities/store/retention/prunings.ts';
import type { RetentionSettings } from '../../activities/store/retention/retention-table.ts';
import { type FolderSweeps, type Sweeps, sweepsOf } from '../../activities/store/retention/sweeps.ts';
import type { Sweep } from '../../activities/store/retention/sweep.ts';
import type { TestStore } from './store.ts';

const nothing: Sweep = {
  measure: async () => ({ rows: 0, bytes: 0 }),
  batch: async () => ({ rows: 0, bytes: 0, more: false }),
};

/** Where there is no data folder. */
export const noFolders: FolderSweeps = { workFolders: nothing, trees: nothing };

export function sweepsIn({ database }: Pick<TestStore, 'database'>, folder = '/nonexistent'): Sweeps {
  return sweepsOf(createContents(database.db, folder), noFolders);
}

/** Carries out a pruning with these cutoffs. */
export async function pruneAll(
  store: Pick<TestStore, 'database'>,
  cutoffs: Cutoffs,
  sweeps = sweepsIn(store),
): Promise<void> {
  const { db } = store.database;
  await addPruning(db, { tenantId: defaultTenant, by: 'test', cutoffs });
  const fail = (error: unknown): void => {
    throw error;
  };
  while (await pruneBatch(db, sweeps, fail));
}

/** Asks for the pruning of a night, as its schedule does. */
export async function askTonight(
  { database, deps }: Pick<TestStore, 'database'> & { deps: { retention: RetentionSettings } },
  now: Date,
): Promise<void> {
  const cutoffs = cutoffsOf(deps.retention, new Date());
  const night = now.toISOString().slice(0, 10);
  await addPruning(database.db, { tenantId: defaultTenant, by: 'test', cutoffs, night });
}

/** Makes runs that have ended older by so many days. */
export async function ageRuns({ database }: Pick<TestStore, 'database'>, days: number): Promise<void> {
  await database.pool.query(
    `update runs set ended_at = ended_at - make_interval(days => $1) where ended_at is not null`,
    [days],
  );
}

export const daysAgo = (days: number): Date => new Date(Date.now() - days * 86_400_000);
