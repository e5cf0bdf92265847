import pino from 'pino';
import { expect, test } from 'vitest';
import type { ActivityDeps } from '../../../activities/deps.ts';
import { openModelCall } from '../../../activities/step/open.ts';
import { prepareAhead, prepareRequest } from '../../../activities/step/request.ts';
import type { EventLog } from '../../../activities/store/log/events.ts';
import { openTenant, reserved } from '../../support/allowances.ts';
import { anAttempt, openTestStore } from '../../support/store.ts';

const store = await openTestStore();

/** How the step of a new run opens with this log, and what is held of its tenant's money then. */
async function scene() {
  const tenant = openTenant(store);
  await tenant.limit('tenant', { costMicros: 1000 });
  const run = await tenant.run();
  await store.begin(run);
  const open = async (log: EventLog, tried: number) => {
    const deps = {
      log,
      logger: pino({ level: 'silent' }),
      approvalSeconds: 60,
      price: () => ({ costMicros: 10, priced: true }),
      llms: [],
      tools: [],
      modelConfigOf: async () => ({}),
      place: () => null,
      windowOf: () => 128_000,
      projectText: async () => undefined,
    } as unknown as ActivityDeps;
    const attempt = {
      task: { ...anAttempt(run, 'model/1'), tried },
      signal: new AbortController().signal,
      supersede: () => {},
    };
    const input = { tenantId: run.tenant_id, runId: run.id, requestId: 'r', step: 1, generation: 0 };
    const opened = await openModelCall(deps, input, attempt, (begun) => prepareAhead(deps, 1, begun));
    if (!('ref' in opened)) throw new Error('It was not opened.');
    const call = { run: opened.run, step: 1, attempt: { ...attempt, ref: opened.ref } };
    const ahead = await opened.ahead;
    return { opened, ahead, prepared: await prepareRequest(deps, call, { ...opened, ahead }) };
  };
  return { open, held: async () => (await tenant.pool('tenant')).held.costMicros };
}

test('the money of a call is held by the time its step is open', async () => {
  const { open, held } = await scene();
  const { ahead, prepared } = await open(store.log, 1);
  expect(await ahead?.reserving).toEqual(reserved);
  expect(prepared).toEqual({ asking: ahead?.asking });
  expect(await held()).toBe(10);
});

test('a step whose begin is lost leaves its money to the next attempt, which holds it once', async () => {
  const { open, held } = await scene();
  const losing: EventLog = {
    ...store.log,
    write: (name, act) =>
      store.log.write(name, async (write) => {
        await act(write);
        await expect.poll(held).toBe(10);
        throw new Error('lost');
      }),
  };
  await expect(open(losing, 1)).rejects.toThrow('lost');
  expect(await held()).toBe(10);
  const { opened, ahead } = await open(store.log, 2);
  expect(opened.ref.attempt).toBe(1);
  expect(await ahead?.reserving).toEqual(reserved);
  expect(await held()).toBe(10);
});
