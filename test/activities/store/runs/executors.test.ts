import { expect, test } from 'vitest';
import { v7 as uuid } from 'uuid';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { beat, endExecutor, registerExecutor } from '../../../../activities/store/runs/executors.ts';
import { queueOn } from '../../../../workflows/contracts/messages.ts';
import { openTestStore } from '../../../support/store.ts';

const { db } = (await openTestStore()).database;

async function worker(name: string, host: string, queues = [queueOn('tools', name)]): Promise<string> {
  const id = uuid();
  await registerExecutor(db, {
    ...{ id, tenantId: defaultTenant, host, pid: 1, startedTicks: '1', capacity: {}, folder: 'one', queues },
    offers: { name, capabilities: [], sandboxes: [], places: 1, codeVersion: 'test' },
  });
  return id;
}

test('of two machines of one name the one that came first is told to stop, until the other has gone', async () => {
  const [slept, came] = [await worker('box', 'a'), await worker('box', 'b')];
  expect([await beat(db, slept), await beat(db, came)]).toEqual([false, true]);
  await endExecutor(db, came);
  expect([await beat(db, slept), await beat(db, came)]).toEqual([true, false]);
});

test('a successor on its own machine stands beside it, and so do workers of the server, whatever they are called', async () => {
  const own = [await worker('lab', 'a'), await worker('lab', 'a')];
  const servers = [await worker('shop', 'a', ['tools']), await worker('shop', 'b', ['tools'])];
  expect(await Promise.all([...own, ...servers].map((id) => beat(db, id)))).toEqual([true, true, true, true]);
});
