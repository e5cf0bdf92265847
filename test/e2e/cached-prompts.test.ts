// How much of what a model is sent it has read before, by every way into a run: a server that counts as a provider's
// cache does tells the product, and the product tells its users.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { marked, type ModelCall, startFakeModel } from '../chaos/fake-model.ts';
import { until } from '../support/platform.ts';
import { createPromptCache } from '../support/prompt-cache.ts';
import { openRoles } from '../support/roles.ts';
import type { RunView } from '../../workflows/contracts/run.ts';

const cache = createPromptCache();
// Four calls of a model on a busy machine.
const longestMs = 60_000;

/** What the answer to the first steps of a run calls; after those it says some words. */
const calls: Record<string, ModelCall[][]> = {
  work: [[call('read', { path: 'long.txt' })], [call('grep', { pattern: 'line 7' })]],
  ask: [[call('read', { path: 'long.txt' })], [call('write', { path: 'new.txt', content: 'written' })]],
  'hand-out': [[call('delegate-async', { prompt: `${marked('part')} Look.`, name: 'reader' })]],
};

function call(name: string, input: object): ModelCall {
  return { name, input: JSON.stringify(input) };
}

const model = await startFakeModel(({ marker, step }, { body }) => ({
  words: Array.from({ length: 200 }, (_, word) => `${marker}-${step}-${word} `),
  calls: calls[marker]?.[step - 1] ?? [],
  usage: cache.take(body),
}));
afterAll(() => model.close());

const roles = await openRoles({ PERDURE_COMPATIBLE_BASE_URL: model.url });
const project = { path: path.join(roles.data, 'project') };
const prompt = (marker: string): string =>
  `${marked(marker)} ${'Mind that it is for the record. '.repeat(60)}`;
const usual = { model: 'compatible/fake', project, attended: true, policy: 'ask-before-changes' };

beforeAll(async () => {
  await mkdir(project.path);
  const lines = Array.from({ length: 200 }, (_, line) => `This is line ${line} of the file.\n`);
  await writeFile(path.join(project.path, 'long.txt'), lines.join(''));
  await roles.startApi();
  await roles.startWorker();
});

async function ended(id: string): Promise<RunView> {
  let run = await roles.client.run(id);
  while (run.endedAt === null) run = await roles.client.waitForRun(id);
  expect([run.status, run.reason]).toEqual(['succeeded', expect.anything()]);
  return run;
}

/** Of each step, what its users are told: the share that came out of the cache. */
async function sharesOf({ id, steps }: RunView): Promise<number[]> {
  const shares: number[] = [];
  for (let step = 1; step <= steps; step += 1) {
    const { use } = await roles.client.context(id, step);
    shares.push(Math.round((100 * use.cachedInputTokens) / use.inputTokens) / 100);
  }
  return shares;
}

async function approveFirst(runId: string): Promise<void> {
  const { client } = roles;
  const open = async (): Promise<string | undefined> =>
    (await client.approvals({ runId, status: 'open' })).items[0]?.id;
  let id: string | undefined;
  await until(
    async () => (id = await open()) !== undefined,
    longestMs,
    () => `It asks nothing:\n${roles.log().slice(-2000)}`,
  );
  await client.approve(id ?? '');
}

/** The run that goes on from the reports of this one's subagent, by itself or as it is told to. */
async function goneOnFrom({ id, conversationId }: RunView, wakeUp: 'manual' | 'auto'): Promise<RunView> {
  const { client } = roles;
  const here = async (): Promise<RunView[]> => (await client.runs({ limit: 50 })).items;
  const child = async () => (await client.children(id)).items[0];
  await until(
    async () => (await child())?.endedAt !== null,
    longestMs,
    () => `Its subagent has not ended:\n${roles.log().slice(-2000)}`,
  );
  if (wakeUp === 'manual') return ended((await client.fire(conversationId)).id);
  let next: RunView | undefined;
  await until(
    async () => (next = (await here()).find(({ parentId }) => parentId === id)) !== undefined,
    longestMs,
    () => `It does not go on:\n${roles.log().slice(-2000)}`,
  );
  return ended(next?.id ?? '');
}

// Measured: 0.62, in the second request of all, which adds a long result to a short prompt; 0.77 to 0.95 in the others.
const leastShare = 0.55;
// Measured: 0.86, without the first request, whose server has read nothing.
const leastMean = 0.8;

test('whatever way a run begins or goes on, most of what its model is sent it has read before, and users are told how much', {
  tags: ['faults'],
}, async () => {
  const { client } = roles;
  const first = await ended((await client.startRun({ ...usual, prompt: prompt('work') })).id);
  const { conversationId } = first;
  const send = (marker: string, more: { wakeUp?: 'manual' | 'auto' } = {}) =>
    client.sendMessage(conversationId, { prompt: prompt(marker), ...more });
  const fresh = await ended((await client.startRun({ ...usual, prompt: prompt('other') })).id);
  const continued = await ended((await send('work')).id);
  const asking = await send('ask');
  await approveFirst(asking.id);
  const approved = await ended(asking.id);
  const forking = await client.fork(conversationId, { fromRunId: continued.id, prompt: prompt('other') });
  const forked = await ended(forking.id);
  const fired = await goneOnFrom(await ended((await send('hand-out', { wakeUp: 'manual' })).id), 'manual');
  const woken = await goneOnFrom(await ended((await send('hand-out', { wakeUp: 'auto' })).id), 'auto');

  const [, ...ofFirst] = await sharesOf(first);
  const shares: Record<string, number[]> = { first: ofFirst };
  for (const [way, run] of Object.entries({ fresh, continued, approved, forked, fired, woken }))
    shares[way] = await sharesOf(run);
  const all = Object.values(shares).flat();
  const mean = all.reduce((sum, share) => sum + share, 0) / all.length;
  const low = Object.entries(shares).filter(([, each]) => Math.min(...each) < leastShare);
  expect(low).toEqual([]);
  expect(mean, JSON.stringify(shares)).toBeGreaterThan(leastMean);
});
