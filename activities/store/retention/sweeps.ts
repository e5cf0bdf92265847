// The sweep of every row of the retention table that has one. A row without its sweep does not compile.
import { sql } from 'kysely';
import { type Contents, unnamed } from '../log/contents.ts';
import { sweepRuns } from './delete-runs.ts';
import { foldEvents } from './fold-events.ts';
import type { SweepName } from './retention-table.ts';
import { sumLedger } from './sum-ledger.ts';
import { type Amount, batchRows, type Sweep } from './sweep.ts';
import {
  sweepAnswers,
  sweepDeadLetters,
  sweepExecutors,
  sweepKeys,
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

function sweepFiles(contents: Contents): Sweep {
  return {
    async measure(queries, { before }) {
      const files = await contents.strayFiles(queries, before);
      return { rows: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
    },
    async batch(queries, { before }) {
      const files = (await contents.strayFiles(queries, before)).slice(0, batchRows);
      const removed = { rows: 0, bytes: 0, more: false };
      for (const file of files) {
        if (!(await contents.removeStray(queries, file))) continue;
        removed.rows += 1;
        removed.bytes += file.bytes;
      }
      return removed;
    },
  };
}
