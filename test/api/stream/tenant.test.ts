// What is told of everything: pages, the stream, and what a deleted run takes along.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { closeEnded } from '../../../activities/store/lifecycle/after-end.ts';
import { createClient } from '../../../api/client/client.ts';
import { createFeedChore } from '../../../api/upkeep/feed-chore.ts';
import type { Event } from '../../../workflows/contracts/event.ts';
import { createTestApp } from '../../support/test-app.ts';
import { appendTexts, endOfRun, readStream, startRun } from './streams.ts';

function named(events: Event[]): [string, string | undefined, number | null | undefined][] {
  return events.map(({ type, source }) => [type, source?.stream, source?.seq]);
}

test('a reader of the tenant has what is told of every run once, live and from any number, or of some types alone', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const live = readStream(`${url}/api/v1/stream`, api.auth, (frames) => frames.length === 4);
  const ends = readStream(`${url}/api/v1/stream?type=run-end`, api.auth, (frames) => frames.length === 2);
  const first = await startRun(api);
  await appendTexts(api, first, 20);
  await endOfRun(api, first);
  const second = await startRun(api);
  await endOfRun(api, second);
  const told = (await live).frames.map(({ data }) => data);
  const expected = [
    ['run-queued', `run/${first.id}`, 1],
    ['run-end', `run/${first.id}`, 22],
    ['run-queued', `run/${second.id}`, 1],
    ['run-end', `run/${second.id}`, 2],
  ];
  expect(named(told)).toEqual(expected);
  expect(told.map(({ stream, seq, conversationSeq }) => [stream, seq, conversationSeq])).toEqual(
    [1, 2, 3, 4].map((seq) => [`tenant/${api.tenantId}`, seq, null]),
  );
  expect((await ends).frames.map(({ data }) => data.seq)).toEqual([2, 4]);
  const later = await readStream(
    `${url}/api/v1/stream`,
    { ...api.auth, 'last-event-id': '2' },
    (frames) => frames.length === 2,
  );
  expect(later.frames.map(({ data }) => data)).toEqual(told.slice(2));
  const client = createClient({ url, token: api.token });
  expect((await client.events()).items).toEqual(told);
  expect((await client.events({ last: 1 })).items).toEqual(told.slice(3));
  expect((await client.events({ last: 2, types: ['run-end'] })).items).toEqual([told[1], told[3]]);
  expect((await client.events({ after: 1, limit: 2 })).items).toEqual(told.slice(1, 3));
  const leaving = new AbortController();
  for await (const event of client.watchEvents({ types: ['run-end'], signal: leaving.signal })) {
    expect(event).toEqual(told[1]);
    break;
  }
  expect((await fetch(`${url}/api/v1/stream?after=5`, { headers: api.auth })).status).toBe(400);
  expect((await fetch(`${url}/api/v1/stream?type=nothing`, { headers: api.auth })).status).toBe(400);
});

test('the sweeper fills it where nothing was heard, and what was told of a deleted run goes with that', async () => {
  const api = await createTestApp();
  const [gone, kept] = [await startRun(api), await startRun(api)];
  await endOfRun(api, gone);
  await endOfRun(api, kept);
  await createFeedChore({ log: api.log, tenantId: api.tenantId }).act();
  expect((await api.ask('GET', '/events')).json().items).toHaveLength(4);
  // Its account is closed first, as the sweeper does.
  await closeEnded(api.log, { tenantId: api.tenantId, runId: gone.id });
  expect((await api.ask('DELETE', `/runs/${gone.id}`)).statusCode).toBeLessThan(300);
  const folded = await api.ask('GET', '/events');
  expect([folded.statusCode, folded.json().code]).toEqual([410, 'EventsFolded']);
  const left = (await api.ask('GET', '/events?kept=true')).json().items as Event[];
  expect(named(left).filter(([, source]) => source === `run/${gone.id}`)).toEqual([]);
  expect(left.filter(({ source }) => source?.stream === `run/${kept.id}`)).toHaveLength(2);
});

test('an event that is removed before it was read here ends the stream; a reader who comes back goes on behind it', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  await startRun(api);
  await api.log.feed(api.tenantId, 10);
  const address = `${url}/api/v1/stream?after=1`;
  const cut = await fetch(address, { headers: api.auth });
  // As a reader sees it who was away for a moment: two have come, and the first of them has gone again.
  await api.log.write('test', async ({ tx }) => {
    const stream = `tenant/${api.tenantId}`;
    for (const reason of ['gone', 'kept'])
      await sql`insert into outbox (tenant_id, source, type, payload)
        values (${api.tenantId}, 'test', 'run-resume', ${JSON.stringify({ reason })}::jsonb)`.execute(tx);
    await sql`select feed_tenant(${api.tenantId}::uuid, 10)`.execute(tx);
    await sql`delete from events where stream = ${stream} and seq = 2`.execute(tx);
    await sql`update stream_heads set floor = 2 where stream = ${stream}`.execute(tx);
  });
  expect(await cut.text()).toBe('retry: 1000\n\n: folded\n\n');
  expect((await fetch(address, { headers: api.auth })).status).toBe(410);
  const back = await readStream(`${url}/api/v1/stream?after=2`, api.auth, (frames) => frames.length === 1);
  expect(back.frames.map(({ data }) => [data.seq, data.type])).toEqual([[3, 'run-resume']]);
});
