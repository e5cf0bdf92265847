// Everything a check may look at: what was played, received, counted and broken, and what the database says now.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Selectable } from 'kysely';
import { openDatabase } from '../../activities/store/database.ts';
import { readEvents } from '../../activities/store/events.ts';
import type { DB } from '../../activities/store/tables.ts';
import { type Event, streamOf } from '../../workflows/contracts/event.ts';
import type { FakeModel } from './fake-model.ts';
import type { Hit } from './ledger.ts';
import type { Fault } from './nemesis.ts';
import type { Played } from './player.ts';
import { allCalls } from './program.ts';

type Row<Table extends keyof DB> = Selectable<DB[Table]>;

export interface RunState {
  run: Row<'runs'>;
  events: Event[];
  calls: Row<'calls'>[];
  inputs: Row<'inputs'>[];
  messages: Row<'messages'>[];
  attempts: Row<'attempts'>[];
  approvals: Row<'approvals'>[];
}

/** Pools and their ledger when all is over. */
export interface Money {
  pools: Row<'allowances'>[];
  entries: Row<'allowance_entries'>[];
  /** Runs that have ended and whose account nobody has closed. */
  unclosed: string[];
}

export interface Evidence {
  played: readonly Played[];
  hits: readonly Hit[];
  faults: readonly Fault[];
  model: Pick<FakeModel, 'asks' | 'answered'>;
  /** By run id; every run of the database. */
  runs: ReadonlyMap<string, RunState>;
  /** Undefined where nobody was left to close the accounts. */
  money: Money | undefined;
  /** By path: what each file a program was to write or edit holds now; undefined when it is not there. */
  files: ReadonlyMap<string, string | undefined>;
}

export interface Violation {
  invariant: string;
  /** The program it belongs to, when there is one. */
  program?: number | undefined;
  problem: string;
}

/** What a check found, and the figures it prints. */
export interface Finding {
  violations: Violation[];
  figures: Record<string, number | string>;
}

export type Check = (evidence: Evidence) => Finding;

// More than any run of a program can have.
const mostEvents = 1_000_000;

export async function readRuns(databaseUrl: string): Promise<Map<string, RunState>> {
  const database = openDatabase({ url: databaseUrl, connections: 2, name: 'checker' });
  const { db } = database;
  try {
    const states = new Map<string, RunState>();
    for (const run of await db.selectFrom('runs').selectAll().orderBy('id').execute()) {
      const page = { tenantId: run.tenant_id, after: 0, limit: mostEvents };
      const ofRun = <Table extends 'calls' | 'inputs' | 'messages' | 'attempts' | 'approvals'>(
        table: Table,
      ) =>
        db
          .selectFrom(table as 'inputs')
          .selectAll()
          .where('run_id', '=', run.id)
          .execute() as unknown as Promise<Row<Table>[]>;
      states.set(run.id, {
        run,
        events: await readEvents(db, streamOf('run', run.id), page),
        calls: await ofRun('calls'),
        inputs: await ofRun('inputs'),
        messages: await ofRun('messages'),
        attempts: await ofRun('attempts'),
        approvals: await ofRun('approvals'),
      });
    }
    return states;
  } finally {
    await database.close();
  }
}

// The sweeper closes what died before it could; it comes by every few seconds.
const closingMs = 30_000;

export async function readMoney(databaseUrl: string): Promise<Money> {
  const database = openDatabase({ url: databaseUrl, connections: 1, name: 'checker' });
  const { db } = database;
  const listUnclosed = async (): Promise<string[]> => {
    const rows = await db
      .selectFrom('allowance_runs')
      .select('run_id')
      .where('closed_at', 'is', null)
      .execute();
    return rows.map(({ run_id }) => run_id);
  };
  try {
    const until = Date.now() + closingMs;
    let unclosed = await listUnclosed();
    while (unclosed.length > 0 && Date.now() < until) {
      await sleep(200);
      unclosed = await listUnclosed();
    }
    return {
      unclosed,
      pools: await db.selectFrom('allowances').selectAll().execute(),
      entries: await db.selectFrom('allowance_entries').selectAll().orderBy('id').execute(),
    };
  } finally {
    await database.close();
  }
}

export async function readFiles(played: readonly Played[]): Promise<Map<string, string | undefined>> {
  const files = new Map<string, string | undefined>();
  for (const { program, folder } of played) {
    for (const { call } of allCalls(program)) {
      if (call.kind !== 'write' && call.kind !== 'edit') continue;
      const path = `${folder}/${call.path}`;
      files.set(path, await readFile(path, 'utf8').catch(() => undefined));
    }
  }
  return files;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

export function spread(values: readonly number[]): string {
  if (values.length === 0) return 'none';
  const [half, most, worst] = [percentile(values, 0.5), percentile(values, 0.99), Math.max(...values)];
  return `${Math.round(half)} / ${Math.round(most)} / ${Math.round(worst)} ms of ${values.length}`;
}
