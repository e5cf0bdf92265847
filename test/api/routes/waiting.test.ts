// Waiting for the end of a run, over HTTP: every wait ends, and none changes what was accepted.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createClient } from '../../../api/client/client.ts';
import { createHub } from '../../../api/stream/hub.ts';
import { createRunWaits } from '../../../api/stream/run-waits.ts';
import { RunView, StartRunView } from '../../../workflows/contracts/run.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { endOfRun, readStream, startRun } from '../stream/streams.ts';

// The longest that there may be: what was answered before was told, also on a machine that stood still for a while.
const longestSeconds = 25;
const longestMs = longestSeconds * 1_000 - 100;

/** How long it took in milliseconds, and what came of it. */
async function timed<T>(work: Promise<T>): Promise<{ ms: number; done: T }> {
  const began = performance.now();
  const done = await work;
  return { ms: performance.now() - began, done };
}

const wait = (api: TestApp, id: string, seconds = longestSeconds) =>
  timed(Promise.resolve(api.ask('GET', `/runs/${id}/wait?seconds=${seconds}`)));

/** Resolves when so many requests have come in over the network. */
async function arrivalOf({ app }: TestApp, count: number): Promise<void> {
  let arrived = 0;
  await new Promise<void>((resolve) => {
    app.server.on('request', () => {
      arrived += 1;
      if (arrived === count) resolve();
    });
  });
}

test('a wait is answered when the run ends, at once when it has, and with 202 when the time is over', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const short = await wait(api, run.id, 1);
  expect([short.done.statusCode, RunView.parse(short.done.json()).status]).toEqual([202, 'queued']);
  expect(short.ms).toBeGreaterThan(900);
  const waiting = wait(api, run.id);
  await sleep(100);
  await endOfRun(api, run);
  const { ms, done } = await waiting;
  expect([done.statusCode, RunView.parse(done.json()).status]).toEqual([200, 'failed']);
  expect(ms).toBeLessThan(longestMs);
  const after = await wait(api, run.id);
  expect([after.done.statusCode, after.done.json()]).toEqual([200, done.json()]);
  const unknown = await api.ask('GET', '/runs/0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11/wait');
  const tooLong = await api.ask('GET', `/runs/${run.id}/wait?seconds=26`);
  expect([unknown.statusCode, tooLong.statusCode]).toEqual([404, 400]);
});

test('waits that begin around the end of a run all hear of it, beside those that read its stream', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  const reading = readStream(`${url}${run.streamUrl}`, api.auth);
  const waits = Array.from({ length: 30 }, async (_, index) => {
    await sleep(index * 4);
    return wait(api, run.id);
  });
  await sleep(60);
  await endOfRun(api, run, 'cancelled');
  const answers = await Promise.all(waits);
  expect(answers.map(({ done }) => [done.statusCode, done.json().status])).toEqual(
    answers.map(() => [200, 'cancelled']),
  );
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(longestMs);
  expect((await reading).frames.at(-1)?.event).toBe('run-end');
});

test('a run that is started with a wait is kept as accepted under its key, however the wait ends', async () => {
  const api = await createTestApp();
  const key = { 'idempotency-key': 'once' };
  const body = { prompt: 'hi' };
  const first = await api.ask('POST', '/runs?wait=1', body, key);
  const accepted = StartRunView.parse(first.json());
  expect(first.statusCode).toBe(202);
  const waiting = Promise.resolve(api.ask('POST', '/runs?wait=20', body, key));
  await sleep(100);
  await endOfRun(api, accepted);
  const again = await waiting;
  const view = RunView.parse(again.json());
  expect([again.statusCode, again.headers['idempotent-replayed'], view.id, view.status]).toEqual([
    200,
    'true',
    accepted.id,
    'failed',
  ]);
  const stored = await api.ask('POST', '/runs', body, key);
  expect([stored.statusCode, stored.json()]).toEqual([202, first.json()]);
  const path = `/conversations/${accepted.conversationId}/messages?wait=1`;
  expect((await api.ask('POST', path, body)).statusCode).toBe(202);
  expect(api.told.filter((line) => line === `started ${accepted.id}`)).toHaveLength(1);
});

test('a shutdown ends every wait with what is known', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const client = createClient({ url, token: api.token });
  const run = await startRun(api);
  const arrival = arrivalOf(api, 2);
  const cut = vi.spyOn(api.app.server, 'closeAllConnections');
  const both = [client.waitForRun(run.id, 20), client.startRunAndWait({ prompt: 'hi' }, 20)];
  // What comes after the beginning of a shutdown is refused.
  await arrival;
  await sleep(200);
  const closing = api.app.close();
  const [waited, started] = await Promise.all(both);
  expect([waited?.status, started?.status]).toEqual(['queued', 'queued']);
  await closing;
  // Nothing held it up for so long that it was cut off.
  expect(cut).not.toHaveBeenCalled();
});

test('a caller who goes away leaves, one whose token is revoked is shown nothing, and only so many wait', async () => {
  const api = await createTestApp();
  const { db } = api.deps.log;
  const hub = createHub({ db, tenantId: api.tenantId, logger: api.deps.logger });
  onTestFinished(() => hub.close());
  let counts = true;
  const waits = createRunWaits({ db, hub, tokens: { counts: async () => counts }, most: 1 });
  const run = await startRun(api);
  const asked = { caller: { tenantId: api.tenantId }, tokenId: 'token' } as never;
  const responseOf = () => {
    const left = new EventTarget();
    const waits = Promise.withResolvers<void>();
    const response = {
      destroyed: false,
      once(_name: string, act: () => void) {
        left.addEventListener('close', act);
        waits.resolve();
      },
      off: (_name: string, act: () => void) => left.removeEventListener('close', act),
    };
    const leave = () => left.dispatchEvent(new Event('close'));
    return { response: response as never, waits: waits.promise, leave };
  };
  const one = responseOf();
  const waiting = waits.end(asked, one.response, { runId: run.id, seconds: 20 });
  await one.waits;
  const more = waits.end(asked, responseOf().response, { runId: run.id, seconds: 20 });
  await expect(more).rejects.toMatchObject({ code: 'TooManyWaits' });
  one.leave();
  expect((await waiting).id).toBe(run.id);
  const revoked = responseOf();
  const last = waits.end(asked, revoked.response, { runId: run.id, seconds: 20 });
  await revoked.waits;
  counts = false;
  revoked.leave();
  await expect(last).rejects.toMatchObject({ code: 'Unauthorized' });
});
