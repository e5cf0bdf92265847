// Real runs that stay where they are: their model never begins to answer. A benchmark itself appends to their streams
// what their readers shall see, as an activity would.
import { createRedactor } from '../../../activities/store/log/redaction.ts';
import { type Database, defaultTenant, openDatabase } from '../../../activities/store/db/database.ts';
import { createEventLog, type EventLog } from '../../../activities/store/log/events.ts';
import { createNotifier } from '../../../activities/store/log/notifier.ts';
import { streamOf } from '../../../workflows/contracts/event.ts';
import { streamHeads } from '../../../activities/store/log/tails.ts';
import { findRun } from '../../../activities/store/runs/runs.ts';
import { now, type Product } from './product.ts';
import type { Target } from './reader.ts';

export interface RunningRun {
  id: string;
  /** Appends `count` text deltas, each with the time in it. */
  append(count: number): Promise<void>;
  /** The number of the last event that was appended here or found at the start. */
  last(): number;
  target(after?: number): Target;
  /** The same by its conversation, which has no other run: the numbers are the same. */
  conversationTarget(after?: number): Target;
}

export interface RunningRuns {
  runs: RunningRun[];
  database: Database;
  [Symbol.asyncDispose](): Promise<void>;
}

// About what one token costs in an event.
const filling = ' and twenty more letters';

export async function startRunningRuns(product: Product, count: number): Promise<RunningRuns> {
  const { platform } = product;
  const database = openDatabase({ url: platform.databaseUrl, connections: 8, name: 'bench-writer' });
  const notifier = createNotifier(database.pool, (error) => {
    throw error;
  });
  const redactor = createRedactor([platform.token]);
  const log = createEventLog({ db: database.db, notifier, redact: (text) => redactor.text(text) });
  const ids = await Promise.all(Array.from({ length: count }, () => product.startRun()));
  await Promise.all(ids.map((id) => product.read(`/runs/${id}/stream`, ({ type }) => type === 'step-start')));
  const runs = await Promise.all(ids.map((id) => toRunning(id, product, database, log)));
  return {
    runs,
    database,
    async [Symbol.asyncDispose]() {
      await notifier.close();
      await database.close();
    },
  };
}

async function toRunning(
  id: string,
  { platform }: Product,
  { db }: Database,
  log: EventLog,
): Promise<RunningRun> {
  const stream = streamOf('run', id);
  const row = await findRun(db, defaultTenant, id);
  let last = (await streamHeads(db, defaultTenant, [stream])).get(stream)?.seq ?? 0;
  const { hostname, port } = new URL(platform.url);
  const targetOf = (of: string, after: number): Target => ({
    host: hostname,
    port: Number(port),
    path: `/api/v1/${of}/stream`,
    token: platform.token,
    after,
  });
  return {
    id,
    last: () => last,
    async append(count) {
      const events = Array.from({ length: count }, () => ({
        type: 'text-delta' as const,
        payload: { step: 1, block: 0, text: `@${now()}@${filling}` },
      }));
      const conversationId = row?.conversation_id ?? null;
      last = (await log.append({ tenantId: defaultTenant, stream, conversationId, events })) ?? last;
    },
    target: (after = last) => targetOf(`runs/${id}`, after),
    conversationTarget: (after = last) => targetOf(`conversations/${row?.conversation_id}`, after),
  };
}
