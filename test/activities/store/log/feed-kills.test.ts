import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuid } from 'uuid';
import { afterAll, expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { readEvents } from '../../../../activities/store/log/events.ts';
import { untilDisconnected } from '../../../support/postgres.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { log, database } = store;
afterAll(() => untilDisconnected(database.pool, 'feeding'));

const kills = 4;
// A busy machine starts one in seconds.
const testMs = 240_000;

test('a process that fills the stream of the tenant is killed again and again: nothing is told twice, nothing is lost', {
  timeout: testMs,
}, async () => {
  const sources = Array.from({ length: 4 }, () => `run/${uuid()}`);
  const counts = new Map(sources.map((source) => [source, 0]));
  let over = false;
  const writers = sources.map(async (stream) => {
    for (let number = 1; !over; number += 1) {
      await log.append({
        tenantId: defaultTenant,
        stream,
        conversationId: null,
        events: [{ type: 'run-resume', payload: { reason: String(number) } }],
      });
      counts.set(stream, number);
      await sleep(2);
    }
  });
  const moved: number[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    const feeder = spawn(process.execPath, [path.join(import.meta.dirname, '../../../support/feeding.ts')], {
      env: { PATH: process.env['PATH'], FEED_URL: store.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const gone = once(feeder, 'exit');
    // It is at work, in the middle of whatever it does then.
    await once(feeder.stdout, 'data');
    await sleep(kill * 7);
    feeder.kill('SIGKILL');
    await gone;
    const told = await readEvents(database.db, `tenant/${defaultTenant}`, {
      tenantId: defaultTenant,
      after: 0,
      limit: 1_000_000,
    });
    moved.push(told.length);
  }
  over = true;
  await Promise.all(writers);
  while ((await log.feed(defaultTenant, 500)) > 0);
  const told = await readEvents(database.db, `tenant/${defaultTenant}`, {
    tenantId: defaultTenant,
    after: 0,
    limit: 1_000_000,
  });
  expect(moved.every((count, at) => count > (moved[at - 1] ?? 0))).toBe(true);
  expect(told.map(({ seq }) => seq)).toEqual(told.map((_, at) => at + 1));
  for (const [source, count] of counts)
    expect(told.filter((event) => event.source?.stream === source).map((event) => event.source?.seq)).toEqual(
      Array.from({ length: count }, (_, at) => at + 1),
    );
});
