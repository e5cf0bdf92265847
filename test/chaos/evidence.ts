// Everything a check may look at: what was played, received, counted and broken, and what the database says now.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Selectable } from 'kysely';
import { type Db, openDatabase } from '../../activities/store/db/database.ts';
import { readEvents } from '../../activities/store/log/events.ts';
import type { DB } from '../../activities/store/db/tables.ts';
import { type Event, streamOf } from '../../workflows/contracts/event.ts';
import { workPlace } from '../../worker/data-folder.ts';
import type { FakeModel } from './fake-model.ts';
import { effectsFile, type Hit, hitsIn } from './ledger.ts';
import type { Fault } from './nemesis.ts';
import type { Played, PlayedMessage } from './player.ts';
import { allCalls, type CallPlan, type Message } from './program.ts';

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
  /** Runs that have ended and whose account is still open. */
  unclosed: string[];
}

export interface Evidence {
  played: readonly Played[];
  hits: readonly Hit[];
  faults: readonly Fault[];
  model: Pick<FakeModel, 'asks' | 'answered'>;
  /** By run id; every run of the database. */
  runs: ReadonlyMap<string, RunState>;
  /** Undefined where no process was left to close the accounts. */
  money: Money | undefined;
  /** By path: what each file a program was to write or edit holds now; undefined when it is not there. */
  files: ReadonlyMap<string, string | undefined>;
  /** The same of their projects, where they worked on a copy. */
  atHome: ReadonlyMap<string, string | undefined>;
  /** Of runs whose changes came home by themselves. */
  homecomings: readonly Row<'rewinds'>[];
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

/** A call of a program, with what became of it. */
export interface PlannedCall {
  message: Message;
  callId: string;
  call: CallPlan;
  /** The program's project. */
  folder: string;
  /** Undefined where the message was never sent. */
  played: PlayedMessage | undefined;
  state: RunState | undefined;
  /** Undefined where the model never came to ask for it. */
  row: RunState['calls'][number] | undefined;
  effects: readonly Hit[];
  violation(invariant: string, problem: string): Violation;
}

export function plannedCalls({ played, runs, hits }: Evidence): PlannedCall[] {
  const effectsOf = Map.groupBy(hits, ({ key }) => key);
  return played.flatMap(({ program, messages, folder }) =>
    allCalls(program).map(({ message, callId, call }) => {
      const sent = messages.find(({ marker }) => marker === message.marker);
      const state = sent && runs.get(sent.runId);
      return {
        ...{ message, callId, call, folder, played: sent, state },
        row: state?.calls.find((candidate) => candidate.call_id === callId),
        effects: call.kind === 'effect' ? (effectsOf.get(call.key) ?? []) : [],
        violation: (invariant, problem) => ({
          invariant,
          program: program.id,
          problem: `call ${callId} of ${message.marker} (${call.kind}): ${problem}`,
        }),
      };
    }),
  );
}

export type Check = (evidence: Evidence) => Finding;

// More than any run of a program can have.
const mostEvents = 1_000_000;

/** Looks into the database of a platform, with connections of its own. */
async function look<T>(databaseUrl: string, at: (db: Db) => Promise<T>): Promise<T> {
  const database = openDatabase({ url: databaseUrl, connections: 2, name: 'checker' });
  try {
    return await at(database.db);
  } finally {
    await database.close();
  }
}

export function readRuns(databaseUrl: string): Promise<Map<string, RunState>> {
  return look(databaseUrl, async (db) => {
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
  });
}

// The sweeper closes what died before it could; it comes by every few seconds.
const closingMs = 30_000;

/** When the last is over. */
export function readHomecomings(databaseUrl: string): Promise<Row<'rewinds'>[]> {
  return look(databaseUrl, async (db) => {
    const all = db.selectFrom('rewinds').selectAll().orderBy('id');
    const until = Date.now() + closingMs;
    let rows = await all.execute();
    while (rows.some(({ status }) => status === 'open') && Date.now() < until) {
      await sleep(200);
      rows = await all.execute();
    }
    return rows;
  });
}

export function readMoney(databaseUrl: string): Promise<Money> {
  return look(databaseUrl, async (db) => {
    const open = db.selectFrom('allowance_runs').select('run_id').where('closed_at', 'is', null);
    const until = Date.now() + closingMs;
    let unclosed = await open.execute();
    while (unclosed.length > 0 && Date.now() < until) {
      await sleep(200);
      unclosed = await open.execute();
    }
    return {
      unclosed: unclosed.map(({ run_id }) => run_id),
      pools: await db.selectFrom('allowances').selectAll().execute(),
      entries: await db.selectFrom('allowance_entries').selectAll().orderBy('id').execute(),
    };
  });
}

/** Where the files of a program are: a copy belongs to its conversation. */
export function placeOf(
  { folder, messages }: Played,
  runs: ReadonlyMap<string, RunState>,
  data: string,
): string {
  const run = messages.map(({ runId }) => runs.get(runId)?.run).find((each) => each !== undefined);
  return (run && workPlace(data, run)) ?? folder;
}

/** The effects that programs in sandboxes have noted, in the order they took place. */
export async function readEffects(played: readonly Played[]): Promise<Hit[]> {
  const texts = played
    .filter(({ program }) => program.execMode !== undefined)
    .map(({ folder }) => readFile(`${folder}/${effectsFile}`, 'utf8').catch(() => ''));
  return (await Promise.all(texts)).flatMap(hitsIn).sort((one, other) => one.at - other.at);
}

export async function readFiles(
  played: readonly Pick<Played, 'program' | 'folder'>[],
): Promise<Map<string, string | undefined>> {
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
