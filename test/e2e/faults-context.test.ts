// A worker that dies while a conversation is summed up, and one that dies between storing the summary and going on: there
// is one summary, the step is answered, and every call of the model stands in the ledger.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openRoles } from '../support/roles.ts';

const roles = await openRoles({
  PERDURE_MODEL_PROFILES: JSON.stringify({ 'scripted/*': { contextWindow: 20_000 } }),
});

beforeAll(async () => {
  const scenarios = path.join(roles.data, 'scenarios');
  await mkdir(scenarios);
  const summary = { text: 'All of it was for the record, and nothing is open.', tokenDelayMs: 50 };
  await writeFile(
    path.join(scenarios, 'long.yaml'),
    JSON.stringify({ steps: [{ text: 'Noted.' }], summary }),
  );
  await roles.startApi({ PERDURE_SCENARIOS: scenarios });
});

test('a worker that dies in a summary, and one that dies behind it, leave one summary and the answer', {
  tags: ['faults'],
}, async () => {
  const environment = { PERDURE_SCENARIOS: path.join(roles.data, 'scenarios') };
  const { client } = roles;
  const first = await roles.startWorker({ point: 'mid-summary', environment });
  const body = { model: 'scripted/long', prompt: 'All of this is for the record. '.repeat(1_200) };
  const earlier = await client.startRun(body);
  for await (const _ of client.watchRun(earlier.id));
  const run = await client.startRun({ ...body, conversationId: earlier.conversationId });
  await first.gone;
  const second = await roles.startWorker({ point: 'summed-up', environment });
  await second.gone;
  const last = await roles.startWorker({ environment });
  const types: string[] = [];
  for await (const { type } of client.watchRun(run.id)) types.push(type);
  expect(await client.run(run.id)).toMatchObject({ status: 'succeeded', finalMessage: 'Noted.' });
  expect(types.filter((type) => type.startsWith('context-'))).toEqual([
    ...['context-compaction-start', 'context-compaction-start', 'context-compaction-end'],
  ]);
  const view = await client.context(run.id);
  expect(view.messages.map(({ kind }) => kind)).toEqual(['summary', 'message']);
  expect(view.leftOut[0]?.what).toBe('2 messages');
  const { items } = await client.ledger({ runId: run.id, limit: 100 });
  const reserved = items.filter(({ kind }) => kind === 'reserve').map(({ attempt }) => attempt);
  const settled = items.filter(({ kind }) => kind === 'settle').map(({ attempt }) => attempt);
  expect([reserved.toSorted(), settled.toSorted()]).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ]);
  last.kill();
  await last.gone;
});
