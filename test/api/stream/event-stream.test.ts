import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createEventLog } from '../../../activities/store/log/events.ts';
import type { Event } from '../../../workflows/contracts/event.ts';
import type { StartRunView } from '../../../workflows/contracts/run.ts';
import { type CuttingProxy, createCuttingProxy } from '../../support/cutting-proxy.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { appendTexts, endOfRun, readStream, startRun } from './streams.ts';

async function stored(api: TestApp, run: StartRunView): Promise<Event[]> {
  const lines = await api.app.inject({ url: `${run.eventsUrl}?format=jsonl`, headers: api.auth });
  return lines.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('a reader sees what is stored and what comes after, once each and in order', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  await appendTexts(api, run, 5);
  const reading = readStream(`${url}${run.streamUrl}`, api.auth);
  await appendTexts(api, run, 20);
  await endOfRun(api, run);
  const { status, headers, frames } = await reading;
  expect(status).toBe(200);
  expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(headers.get('cache-control')).toBe('no-cache, no-transform');
  expect(headers.get('x-accel-buffering')).toBe('no');
  expect(frames.map((frame) => frame.data)).toEqual(await stored(api, run));
  expect(frames.map((frame) => frame.id)).toEqual(frames.map((_, index) => String(index + 1)));
  expect(frames.at(-1)?.event).toBe('run-end');
});

test('a delta reaches a reader while the run goes on', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const reading = readStream(`${url}${run.streamUrl}`, api.auth, (frames) => frames.length === 2);
  await appendTexts(api, run, 1);
  expect((await reading).frames.map((frame) => frame.event)).toEqual(['run-queued', 'text-delta']);
});

test('a stream is logged in one line once its reader has left, without what the reader asked with', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const logged = (): object[] =>
    api.lines.filter((line) => line['msg'] === 'request' && line['path'] === run.streamUrl);
  const reading = readStream(`${url}${run.streamUrl}?after=0`, api.auth, (frames) => frames.length === 2);
  await appendTexts(api, run, 1);
  await reading;
  await expect.poll(logged).toHaveLength(1);
  expect(logged()).toEqual([
    expect.objectContaining({
      requestId: expect.any(String),
      method: 'GET',
      path: run.streamUrl,
      status: 200,
      ms: expect.any(Number),
    }),
  ]);
  await endOfRun(api, run);
  await readStream(`${url}${run.streamUrl}`, api.auth);
  await expect.poll(logged).toHaveLength(2);
});

test('a reader that leaves and comes back anywhere has every event once', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  await appendTexts(api, run, 2_500);
  await endOfRun(api, run);
  const events = await stored(api, run);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: events.length }), { maxLength: 6 }), async (cuts) => {
      const seen: Event[] = [];
      for (const cut of [...cuts.toSorted((a, b) => a - b), events.length]) {
        const headers = { ...api.auth, 'last-event-id': String(seen.length) };
        const { frames } = await readStream(
          `${url}${run.streamUrl}`,
          headers,
          (read) => seen.length + read.length >= cut,
        );
        for (const frame of frames) seen.push(frame.data);
      }
      expect(seen).toEqual(events);
    }),
    { numRuns: 25 },
  );
});

test('readers of one stream that join while it grows all see the same', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const readings: ReturnType<typeof readStream>[] = [];
  for (let round = 0; round < 30; round += 1) {
    readings.push(readStream(`${url}${run.streamUrl}`, api.auth));
    await appendTexts(api, run, 37);
  }
  await endOfRun(api, run);
  const events = await stored(api, run);
  for (const { frames } of await Promise.all(readings)) {
    expect(frames.map((frame) => frame.data)).toEqual(events);
  }
});

test('the header wins over the query, and what is behind a cursor is not sent again', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  await appendTexts(api, run, 5);
  await endOfRun(api, run);
  const headers = { ...api.auth, 'last-event-id': '5' };
  const { frames } = await readStream(`${url}${run.streamUrl}?after=1`, headers);
  expect(frames.map((frame) => frame.id)).toEqual(['6', '7']);
});

test('a cursor at the last event of an ended run answers 204', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  await endOfRun(api, run);
  const answer = await api.app.inject({ url: `${run.streamUrl}?after=2`, headers: api.auth });
  expect([answer.statusCode, answer.body]).toEqual([204, '']);
});

test.each(['2', '-1', '1.0', '0x1', 'abc', '', '9223372036854775808', '1'.repeat(20), '1 ', '٣'])(
  'the cursor %j, which this stream never gave out, is refused',
  async (cursor) => {
    const api = await createTestApp();
    const run = await startRun(api);
    for (const headers of [{ 'last-event-id': encodeURIComponent(cursor) }, {}]) {
      const query = 'last-event-id' in headers ? '' : `?after=${encodeURIComponent(cursor)}`;
      const answer = await api.app.inject({
        url: `${run.streamUrl}${query}`,
        headers: { ...api.auth, ...headers },
      });
      expect([answer.statusCode, answer.json().code]).toEqual([400, 'InvalidCursor']);
    }
  },
);

test('the stream of a run nobody has, or of another tenant, is not there', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const nobody = await api.ask('GET', '/runs/0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11/stream');
  await api.database.pool.query("update runs set tenant_id = '00000000-0000-0000-0000-000000000001'");
  const foreign = await api.app.inject({ url: run.streamUrl, headers: api.auth });
  expect([nobody.statusCode, foreign.statusCode]).toEqual([404, 404]);
});

test('a conversation stream carries all its runs under one number', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const first = await startRun(api);
  const path = `/api/v1/conversations/${first.conversationId}/stream`;
  const reading = readStream(`${url}${path}`, api.auth, (frames) => frames.length === 8);
  await appendTexts(api, first, 2);
  await endOfRun(api, first);
  const second = await startRun(api, { conversationId: first.conversationId });
  await appendTexts(api, second, 3);
  const { frames } = await reading;
  expect(frames.map((frame) => [frame.id, frame.data.conversationSeq])).toEqual(
    Array.from({ length: 8 }, (_, index) => [String(index + 1), index + 1]),
  );
  const resumed = await readStream(`${url}${path}?after=6`, api.auth, (read) => read.length === 2);
  expect(resumed.frames).toEqual(frames.slice(6));
});

test('a reader that never reads is cut, and holds little until then', async () => {
  const api = await createTestApp();
  const url = new URL(await api.listen());
  const run = await startRun(api);
  // More than the kernel takes on both ends of a loopback connection.
  await appendTexts(api, run, 2_000, 20_000);
  const serverSide: Socket[] = [];
  api.app.server.on('connection', (socket) => serverSide.push(socket));
  const before = process.memoryUsage().rss;
  const clients = Array.from({ length: 10 }, () => {
    const client = connect(Number(url.port), url.hostname);
    client.write(
      `GET ${run.streamUrl} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${api.token}\r\n\r\n`,
    );
    client.pause();
    client.on('error', () => {});
    return client;
  });
  onTestFinished(() => {
    for (const client of clients) client.destroy();
  });
  let most = 0;
  await expect
    .poll(
      () => {
        most = Math.max(most, ...serverSide.map((socket) => socket.writableLength));
        return serverSide.filter((socket) => socket.destroyed).length;
      },
      { interval: 50 },
    )
    .toBe(10);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(1024 * 1024);
  // The pages all of them share are the largest part of it.
  expect((process.memoryUsage().rss - before) / 1024 / 1024).toBeLessThan(250);
});

test('the listening connection killed, over and over: nothing is lost', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const reading = readStream(`${url}${run.streamUrl}`, api.auth);
  for (let round = 0; round < 10; round += 1) {
    await appendTexts(api, run, 10);
    await api.database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'perdure-api-listen'`,
    );
    await appendTexts(api, run, 10);
  }
  await endOfRun(api, run);
  const { frames } = await reading;
  expect(frames.map((frame) => frame.data)).toEqual(await stored(api, run));
});

test('Postgres away for a while: readers stay, and have everything when it is back', async () => {
  let proxy: CuttingProxy | undefined;
  const api = await createTestApp({
    through: async (direct) => {
      const { hostname, port } = new URL(direct);
      proxy = await createCuttingProxy({ host: hostname, port: Number(port || 5432) });
      return proxy.urlOf(direct);
    },
  });
  const url = await api.listen();
  const run = await startRun(api);
  await appendTexts(api, run, 1_500);
  const connected = Promise.withResolvers<void>();
  const reading = readStream(`${url}${run.streamUrl}`, api.auth, () => {
    connected.resolve();
    return false;
  });
  await connected.promise;
  proxy?.goDown();
  await expect(appendTexts(api, run, 1)).rejects.toThrow();
  proxy?.comeBack();
  // The pool may hold another connection that was cut, and not know it yet.
  await expect.poll(() => api.database.pool.query('select').then(() => 'back', String)).toBe('back');
  await appendTexts(api, run, 20);
  await endOfRun(api, run);
  expect((await reading).frames.map((frame) => frame.data)).toEqual(await stored(api, run));
});

test('a lost notice costs a second, not an event', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const reading = readStream(`${url}${run.streamUrl}`, api.auth, (frames) => frames.length === 2);
  // By a log that tells nobody.
  const silent = createEventLog({
    db: api.database.db,
    notifier: { touch: () => {}, close: async () => {} },
    redact: (text) => text,
  });
  await silent.append({
    tenantId: api.tenantId,
    stream: `run/${run.id}`,
    conversationId: run.conversationId,
    events: [{ type: 'text-delta', payload: { step: 1, block: 0, text: 'x' } }],
  });
  expect((await reading).frames.at(-1)?.event).toBe('text-delta');
});

test('a quiet stream is kept alive, and ends when its token is revoked, also when no notice of it comes', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const opened = Promise.withResolvers<void>();
  const reading = readStream(`${url}${run.streamUrl}`, api.auth, () => {
    opened.resolve();
    return false;
  });
  await opened.promise;
  vi.advanceTimersByTime(15_000);
  await api.database.pool.query('update tokens set revoked_at = now()');
  vi.advanceTimersByTime(15_000);
  const { comments } = await reading;
  // A check of the first half may still be under way and see it: then the second sign of life does not come.
  expect([comments[0], comments.at(-1)]).toEqual(['', 'the token does not count any more']);
});

test('closing the server ends open streams at once, and says why', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const opened = Promise.withResolvers<void>();
  const reading = readStream(`${url}${run.streamUrl}`, api.auth, () => {
    opened.resolve();
    return false;
  });
  await opened.promise;
  await api.app.close();
  expect((await reading).comments).toEqual(['the server is shutting down']);
});

test('a stream holds no connection of the pool', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const readings = Array.from({ length: 50 }, () =>
    readStream(`${url}${run.streamUrl}`, api.auth, (frames) => frames.length === 3),
  );
  await appendTexts(api, run, 1);
  await expect.poll(() => api.database.pool.totalCount - api.database.pool.idleCount).toBe(0);
  await appendTexts(api, run, 1);
  await Promise.all(readings);
});
