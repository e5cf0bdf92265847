import { expect, test } from 'vitest';
import { createTestApp } from '../../support/test-app.ts';
import { startRun } from '../stream/streams.ts';

test('a request under way is answered, and nobody else is let in', async () => {
  const entered = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const api = await createTestApp({
    async diff(run) {
      entered.resolve();
      await go.promise;
      return { runId: run.id, diff: 'late', files: [], truncated: false, others: [] };
    },
  });
  const url = await api.listen();
  const run = await startRun(api);
  const underWay = fetch(`${url}/api/v1/runs/${run.id}/diff`, { headers: api.auth });
  await entered.promise;
  // What is under way is cut after eight seconds, in which a machine may stand still.
  api.app.server.closeAllConnections = () => undefined;
  const closing = api.app.close();
  await expect
    .poll(() =>
      fetch(`${url}/api/v1/health`).then(
        (late) => late.status,
        () => 'no connection',
      ),
    )
    .toBe('no connection');
  go.resolve();
  const answer = await underWay;
  expect([answer.status, answer.headers.get('connection'), (await answer.json()).diff]).toEqual([
    200,
    'close',
    'late',
  ]);
  await closing;
});
