// A long conversation: reading it, a page of its turns and sending the next message, with 10,000 runs and 100,000 messages
// in it, against the same in conversations of ten runs. Beside it: walking the context of its last run, whole and from a
// summary on.
import { v7 as uuid } from 'uuid';
import { sql } from 'kysely';
import { seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import { toRunViews } from '../../activities/store/allowances/run-money.ts';
import { defaultTenant as tenantId, openDatabase } from '../../activities/store/db/database.ts';
import { beginRun } from '../../activities/store/lifecycle/begin-run.ts';
import { endRun } from '../../activities/store/lifecycle/end-run.ts';
import { startRun } from '../../activities/store/lifecycle/start-run.ts';
import { createEventLog } from '../../activities/store/log/events.ts';
import { createNotifier } from '../../activities/store/log/notifier.ts';
import { ensureBuiltIns } from '../../activities/store/policies/policies.ts';
import { findForkedFrom, findListed } from '../../activities/store/runs/conversations.ts';
import { readContext } from '../../activities/store/runs/messages.ts';
import { latestRunOf, listRuns, lockRunAndConversation } from '../../activities/store/runs/runs.ts';
import { listTurns } from '../../activities/store/runs/turns.ts';
import { startNeeds } from '../support/start-needs.ts';
import {
  measurePairs,
  type Paired,
  ratiosOf,
  report,
  type Sample,
  settings,
  type Stretch,
} from './harness/pairs.ts';
import { benchPostgres } from './harness/postgres.ts';

const long = 10_000;
const short = 10;
// So many that none grows by much while it is measured.
const shortOnes = 200;
const messagesPerRun = 10;
// Runs that one statement inserts: a second of a busy disk.
const atOnce = 250;
// What both kinds have, so that the answers are as long.
const page = 10;

const given = settings();
const server = await benchPostgres();
const database = openDatabase({ url: server.url, connections: 4, name: 'bench-conversation' });
const { db } = database;
const notifier = createNotifier(database.pool, (error) => {
  throw error;
});
const log = createEventLog({ db, notifier, redact: (text) => text });
await seedTenantAllowance(db, tenantId);
await ensureBuiltIns(db, tenantId);

let sent = 0;

/** Accepts a message as a face does; the run ends afterwards, out of what is measured. */
async function send(conversationId?: string): Promise<{ id: string; conversationId: string; took: number }> {
  sent += 1;
  const request = {
    prompt: 'And the next.',
    messageId: `message-${sent}`,
    ...(conversationId && { conversationId }),
  };
  const began = performance.now();
  const { run } = await log.write('bench', (write) =>
    startRun(write, startNeeds, { tenantId, by: 'bench', requestId: 'bench' }, request),
  );
  const took = performance.now() - began;
  const { id, generation } = run;
  await log.write('bench', (write) =>
    beginRun(write, { tenantId, runId: id, executionId: id, generation, isScripted: () => true }),
  );
  await log.write('bench', async (write) => {
    const locked = await lockRunAndConversation(write, tenantId, id);
    if (locked) await endRun(write, locked, { status: 'succeeded', reason: 'finished', reasonText: 'Done.' });
  });
  return { id, conversationId: run.conversation_id, took };
}

/** A conversation whose first run is a real one, and whose others are copies of that with messages of their own. */
async function converse(runs: number): Promise<string> {
  const first = await send();
  const ids = Array.from({ length: runs - 1 }, () => uuid()).sort();
  for (let from = 0; from < ids.length; from += atOnce) {
    const some = ids.slice(from, from + atOnce);
    const parents = [ids[from - 1] ?? first.id, ...some.slice(0, -1)];
    await sql`insert into runs select (jsonb_populate_record(first, jsonb_build_object(
        'id', one.id, 'parent_id', one.parent_id, 'message_id', one.id, 'opens', false, 'final_message', 'An answer.'))).*
      from runs first, unnest(${some}::uuid[], ${parents}::uuid[]) as one (id, parent_id)
      where first.id = ${first.id}`.execute(db);
    await sql`insert into messages (run_id, tenant_id, step, phase, position, role, text)
      select id, ${tenantId}, place, case when place = 0 then 0 else 1 end, 0,
        case when place = 0 then 'user' else 'assistant' end, repeat('word ', 20)
      from unnest(${some}::uuid[]) as id, generate_series(0, ${messagesPerRun - 1}::int) as place`.execute(
      db,
    );
  }
  await sql`update conversations set head_run_id = ${ids.at(-1) ?? first.id} where id = ${first.conversationId}`.execute(
    db,
  );
  return first.conversationId;
}

const shorts: string[] = [];
for (let made = 0; made < shortOnes; made += 1) shorts.push(await converse(short));
const longOne = await converse(long);
for (const table of ['runs', 'messages', 'conversations']) await sql`analyze ${sql.table(table)}`.execute(db);

/** Each as its route does it. */
const acts = {
  async get(id: string) {
    const [row, runs, latest] = await Promise.all([
      findListed(db, tenantId, id),
      listRuns(db, { tenantId, conversationId: id, limit: page }),
      latestRunOf(db, tenantId, id),
      findForkedFrom(db, id),
    ]);
    if (!row || !latest) throw new Error('There is nothing to see.');
    await toRunViews(db, [...runs, latest]);
  },
  async turns(id: string) {
    await listTurns(db, { tenantId, conversationId: id, limit: page });
  },
  async send(id: string) {
    return (await send(id)).took;
  },
};

/** Milliseconds of each. */
async function measure(
  seconds: number,
  act: (id: string) => Promise<number | void>,
  ids: string[],
): Promise<Sample> {
  const end = Date.now() + seconds * 1000;
  let units = 0;
  let took = 0;
  while (Date.now() < end) {
    const began = performance.now();
    const own = await act(ids[units % ids.length] ?? '');
    took += own ?? performance.now() - began;
    units += 1;
  }
  return { units, figures: { took: took / units } };
}

const took = (stretch: Stretch): number => stretch.figures?.['took'] ?? Number.NaN;
const measured: Record<string, Paired> = {};
for (const [name, act] of Object.entries(acts)) {
  measured[name] = await measurePairs({
    name: `conversation, ${name}`,
    floor: { name: `of ${short} runs`, measure: (seconds) => measure(seconds, act, shorts) },
    ours: { name: `of ${long} runs`, measure: (seconds) => measure(seconds, act, [longOne]) },
    // One of them takes some milliseconds.
    settings: { ...given, seconds: Math.max(1, given.seconds / 10) },
  });
}

/** Milliseconds of the last run's context, and how many messages that is. */
async function walk(): Promise<{ milliseconds: number; messages: number }> {
  const last = await latestRunOf(db, tenantId, longOne);
  const began = performance.now();
  const { length: messages } = await readContext(db, tenantId, last?.id ?? '');
  return { milliseconds: performance.now() - began, messages };
}

const whole = await walk();
// A summary in the hundredth run from the end stands for all before it.
await sql`with summed as (select id from runs where conversation_id = ${longOne} order by id desc offset 100 limit 1)
  insert into messages (run_id, tenant_id, step, phase, position, role, internal, text, about)
  select id, ${tenantId}, 1, 0, 0, 'user', true, 'What was said.', jsonb_build_object('kind', 'summary',
    'covers', jsonb_build_object('runId', (select parent_id from runs where runs.id = summed.id), 'step', ${messagesPerRun}::int))
  from summed`.execute(db);
const summed = await walk();

report({
  name: 'conversation',
  checks: Object.entries(measured).map(([what, paired]) => ({
    what: `${what}, against ten runs`,
    value: ratiosOf(paired, took).median,
    target: 1.5,
    mustReach: 2,
    higherIsBetter: false,
  })),
  figures: {
    milliseconds: Object.fromEntries(
      Object.entries(measured).map(([what, { floor, ours }]) => [
        what,
        { floor: floor.map(took), ours: ours.map(took) },
      ]),
    ),
    context: { whole, summed },
  },
});
await notifier.close();
await database.close();
await server.stop();
