// The sweep of every row of the retention table that has one. A row without its sweep does not compile.
import { sql } from 'kysely';
import { type Contents, unnamed } from '../log/contents.ts';
import { sweepRuns } from './delete-runs.ts';
import { sweepTasks } from './delete-tasks.ts';
import { foldEvents } from './fold-events.ts';
import type { SweepName } from './retention-table.ts';
import { sumLedger } from './sum-ledger.ts';
import type { Amount, Sweep } from './sweep.ts';
import {
  sweepAnswers,
  sweepDeadLetters,
  sweepDeliveries,
  sweepExecutors,
  sweepKeys,
  sweepOccurrences,
  sweepOutputs,
  sweepPrunings,
} from './sweep-rows.ts';

export type Sweeps = Record<SweepName, Sweep>;

/** What lies in the data folder and belongs to runs; worker/ knows where. */
export type FolderSweeps = Pick<Sweeps, 'workFolders' | 'trees'>;

export function sweepsOf(contents: Contents, folders: FolderSweeps): Sweeps {
  return {
    keys: sweepKeys,
    runs: sweepRuns,
    tasks: sweepTasks,
    events: foldEvents,
    outputs: sweepOutputs,
    contents: sweepContents(contents),
    ledger: sumLedger,
    deadLetters: sweepDeadLetters,
    answers: sweepAnswers,
    executors: sweepExecutors,
    prunings: sweepPrunings,
    contentFiles: sweepFiles(contents),
    ...folders,
    occurrences: sweepOccurrences,
    deliveries: sweepDeliveries,
  };
}

function sweepContents(contents: Contents): Sweep {
  return {
    async measure(queries, { tenantId, before }, most) {
      const { rows } =
        await sql<Amount>`select count(*) as rows, coalesce(sum(size), 0)::bigint as bytes from (
        select size from contents content where tenant_id = ${tenantId} and created_at < ${before} and ${unnamed}
        limit ${most}
      ) old`.execute(queries);
      return rows[0] ?? { rows: 0, bytes: 0 };
    },
    batch: (queries, { tenantId, before }) => contents.removeUnnamed(queries, tenantId, before),
  };
}

// Each is a request where they lie in a bucket, and all of a batch are one transaction.
const batchStrays = 200;

function sweepFiles(contents: Contents): Sweep {
  return {
    async measure(queries, { before }, most) {
      const strays = await contents.strays(queries, before, most);
      return { rows: strays.length, bytes: strays.reduce((sum, { bytes }) => sum + bytes, 0) };
    },
    async batch(queries, { before }) {
      const strays = await contents.strays(queries, before, batchStrays);
      const removed = { rows: 0, bytes: 0, more: strays.length === batchStrays };
      for (const stray of strays) {
        if (!(await contents.removeStray(queries, stray))) continue;
        removed.rows += 1;
        removed.bytes += stray.bytes;
      }
      return removed;
    },
  };
}
