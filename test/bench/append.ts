// B6, durable append: events a second through the event log (lock, fence, numbers, redaction, wake) in batches of
// twenty, against a bare insert of the same rows. Beside it: what coalesced wake-ups cost.
import { sql } from 'kysely';
import { v7 as uuid } from 'uuid';
import { createRedactor } from '../../activities/store/log/redaction.ts';
import { type Database, defaultTenant, openDatabase } from '../../activities/store/db/database.ts';
import { createEventLog } from '../../activities/store/log/events.ts';
import { createNotifier, type Notifier } from '../../activities/store/log/notifier.ts';
import { type NewEvent, streamOf } from '../../workflows/contracts/event.ts';
import { benchPostgres } from './harness/postgres.ts';
import { withDescendants } from './harness/cpu.ts';
import { cpuPerUnit, measurePairs, rate, ratiosOf, report, type Sample, settings } from './harness/pairs.ts';

const batchSize = 20;
// As many as runs stream at once on a small machine.
const writers = 8;

const server = await benchPostgres();
const database = openDatabase({ url: server.url, connections: writers + 2, name: 'bench-append' });
const redactor = createRedactor([
  'sk-a-provider-key-of-forty-characters-000',
  'pdr_a-token-of-the-api-0123456789',
]);
const events: NewEvent[] = Array.from({ length: batchSize }, (_, index) => ({
  type: 'text-delta',
  payload: { step: 1, block: 0, text: `piece ${index} of an answer that a model is giving ` },
}));

/** Until the time is up, every writer appends to a stream of its own. */
async function write(seconds: number, one: (stream: Stream) => Promise<unknown>): Promise<Sample> {
  const streams = await Promise.all(Array.from({ length: writers }, () => openStream(database)));
  const end = Date.now() + seconds * 1000;
  let batches = 0;
  await Promise.all(
    streams.map(async (stream) => {
      while (Date.now() < end) {
        await one(stream);
        batches += 1;
      }
    }),
  );
  return { units: batches * batchSize };
}

interface Stream {
  name: string;
  conversationId: string;
  next: number;
}

async function openStream({ db }: Database): Promise<Stream> {
  const conversationId = uuid();
  const name = streamOf('run', uuid());
  await db
    .insertInto('conversations')
    .values({ id: conversationId, tenant_id: defaultTenant, title: 'bench' })
    .execute();
  await db
    .insertInto('stream_heads')
    .values({ stream: name, tenant_id: defaultTenant, fences: JSON.stringify({ 'model/1': 1 }) })
    .execute();
  return { name, conversationId, next: 0 };
}

function logWith(notifier: Notifier): (stream: Stream) => Promise<unknown> {
  const log = createEventLog({ db: database.db, notifier, redact: (text) => redactor.text(text) });
  return (stream) => {
    stream.next += 1;
    return log.append({
      tenantId: defaultTenant,
      stream: stream.name,
      conversationId: stream.conversationId,
      events,
      fence: { unit: 'model/1', attempt: 1 },
      dedupeKey: `model/1/1/${stream.next}`,
    });
  };
}

async function insertRows(stream: Stream): Promise<void> {
  const from = stream.next;
  stream.next += batchSize;
  const numbers = events.map((_, index) => from + index + 1);
  await sql`insert into events (stream, seq, tenant_id, conversation_id, conversation_seq, type, attempt, payload)
    select ${stream.name}, item.seq, ${defaultTenant}, ${stream.conversationId}, item.seq, item.type, 1, item.payload::jsonb
    from unnest(${numbers}::bigint[], ${events.map((event) => event.type)}::text[],
      ${events.map((event) => JSON.stringify(event.payload))}::text[]) as item (seq, type, payload)`.execute(
    database.db,
  );
}

const notifier = createNotifier(database.pool, (error) => {
  throw error;
});
const silent: Notifier = { touch: () => undefined, close: async () => undefined };
const given = settings();
const pids = (): number[] => withDescendants([process.pid, server.pid]);
const ours = { name: 'event log', measure: (seconds: number) => write(seconds, logWith(notifier)) };
const floor = { name: 'bare insert', measure: (seconds: number) => write(seconds, insertRows) };
const appended = await measurePairs({ name: 'append', floor, ours, settings: given, pids });
const quiet = { name: 'without wake-ups', measure: (seconds: number) => write(seconds, logWith(silent)) };
const woken = await measurePairs({
  name: 'wake',
  floor: quiet,
  ours,
  settings: { ...given, pairs: 2 },
  pids,
});
await notifier.close();
await database.close();
await server.stop();

const ratio = ratiosOf(appended, rate);
const wake = ratiosOf(woken, rate);
report({
  name: 'B6 durable append',
  checks: [
    {
      what: 'events/s against a bare insert',
      value: ratio.median,
      target: 0.5,
      mustReach: 0.3,
      higherIsBetter: true,
    },
    {
      what: 'share of the rate that wake-ups cost',
      value: 1 - wake.median,
      target: 0.1,
      mustReach: 0.3,
      higherIsBetter: false,
    },
  ],
  figures: {
    ratio,
    cpu: ratiosOf(appended, cpuPerUnit),
    wake,
    eventsPerSecond: appended.ours.map(rate),
    floorPerSecond: appended.floor.map(rate),
  },
});
