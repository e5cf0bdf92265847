// F1 for subagents: a worker that dies around the begin and the end of one. Each is asked for once, each reports once,
// and nothing waits for ever.
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { Point } from '../support/mortal-worker.ts';
import { openRoles, type Role } from '../support/roles.ts';

const scenarios = await mkdtemp(path.join(tmpdir(), 'perdure-scenarios-'));
await writeFile(
  path.join(scenarios, 'hand-out.yaml'),
  JSON.stringify({
    steps: [
      {
        match: { lastMessage: 'main work' },
        calls: ['a', 'b'].map((part) => ({
          tool: 'delegate',
          input: { prompt: `part ${part}`, name: part },
        })),
      },
      { match: { lastMessage: 'part' }, text: 'Done with {{prompt}}.' },
      { match: { lastResult: 'Done with part b' }, text: '{{result:0}} {{result:1}}' },
    ],
  }),
);
await writeFile(
  path.join(scenarios, 'goes-on.yaml'),
  JSON.stringify({
    steps: [
      {
        match: { lastMessage: 'main work' },
        calls: ['a', 'b'].map((part) => ({
          tool: 'delegate-async',
          input: { prompt: `part ${part}`, name: part },
        })),
      },
      { match: { lastMessage: 'main work' }, text: 'I leave them to it.' },
      { match: { lastMessage: 'part' }, calls: [{ tool: 'ask-person', input: { question: 'Go on?' } }] },
      { match: { lastMessage: 'part' }, text: 'Done with {{prompt}}.' },
      { match: { lastMessage: 'Go on with what your subagents report' }, text: 'All done.' },
    ],
  }),
);
const roles = await openRoles({ PERDURE_SCENARIOS: scenarios });

let api: Role;
beforeAll(async () => {
  api = await roles.startApi();
});

let workers: { gone: Promise<void>; kill(): void }[] = [];
afterEach(async () => {
  for (const worker of workers) worker.kill();
  await Promise.all(workers.map(({ gone }) => gone));
  workers = [];
});

async function ask<Row extends object>(text: string, ...values: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: roles.databaseUrl, application_name: 'test' });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

const deaths: { point: Point; when: string; long?: true }[] = [
  { point: 'before-claim', when: 'before it has asked for one', long: true },
  { point: 'result-stored', when: 'between accepting one and saying so' },
  { point: 'finish-stored', when: 'between ending one and saying so', long: true },
  { point: 'answer-read', when: 'between telling the parent and saying so', long: true },
];

async function expectReportsOnce({ point }: (typeof deaths)[number]): Promise<void> {
  const project = path.join(roles.data, `project-${point}`);
  await mkdir(project);
  const mortal = await roles.startWorker({ point });
  workers.push(mortal);
  const { id } = await roles.client.startRun({
    ...{ prompt: 'main work', model: 'scripted/hand-out', project: { path: project } },
  });
  await mortal.gone;
  workers.push(await roles.startWorker());
  let run = await roles.client.run(id);
  while (run.endedAt === null) run = await roles.client.waitForRun(id);
  const end = (part: string) => `The subagent ${part} has finished:\nDone with part ${part}.`;
  expect([run.status, run.finalMessage]).toEqual(['succeeded', `${end('a')} ${end('b')}`]);
  expect(
    await ask(
      `select name, state, status, (select count(*)::int from messages where run_id = delegations.parent_id
         and text like '%' || final_message || '%' and role = 'tool') as told
       from delegations join runs on runs.id = child_id where delegations.parent_id = $1 order by name`,
      id,
    ),
  ).toEqual([
    { name: 'a', state: 'delivered', status: 'succeeded', told: 1 },
    { name: 'b', state: 'delivered', status: 'succeeded', told: 1 },
  ]);
}

const title = 'a worker that dies $when: each subagent is asked for once and reports once';
test.each(deaths.filter(({ long }) => !long))(title, expectReportsOnce);
test.each(deaths.filter(({ long }) => long))(title, { tags: ['faults'] }, expectReportsOnce);

// The last of the file: it takes the API down.
test('a conversation goes on by itself once, though a worker dies and the API does as it is due', {
  tags: ['faults'],
}, async () => {
  const mortal = await roles.startWorker({ point: 'result-stored' });
  workers.push(mortal);
  const { id, conversationId } = await roles.client.startRun({
    ...{ prompt: 'main work', model: 'scripted/goes-on', attended: true, wakeUp: 'auto' },
  });
  await mortal.gone;
  workers.push(await roles.startWorker());
  let run = await roles.client.run(id);
  while (run.endedAt === null) run = await roles.client.waitForRun(id);
  expect([run.status, run.finalMessage]).toEqual(['succeeded', 'I leave them to it.']);
  // However long the death held up the run, its subagents report only now.
  const open = async () => (await roles.client.approvals({ status: 'open' })).items;
  while ((await open()).length < 2) await setTimeout(50);
  for (const question of await open()) await roles.client.approve(question.id, { input: { answer: 'Yes.' } });
  const working = `select from delegations where parent_id = $1 and state = 'working'`;
  while ((await ask(working, id)).length > 0) await setTimeout(50);
  api.kill('SIGKILL');
  await api.gone;
  api = await roles.startApi();
  const later = `select id from runs where conversation_id = $1 and kind = 'main' and id <> $2`;
  let found: { id: string }[] = [];
  while (found.length === 0) {
    await setTimeout(200);
    found = await ask<{ id: string }>(later, conversationId, id);
  }
  const [{ id: next }] = found as [{ id: string }];
  let woken = await roles.client.run(next);
  while (woken.endedAt === null) woken = await roles.client.waitForRun(next);
  expect([woken.status, woken.finalMessage, woken.parentId]).toEqual(['succeeded', 'All done.', id]);
  const told = `select text from messages where run_id = $1 and internal order by position`;
  expect(await ask(told, next)).toEqual([
    { text: 'Call 1.0. The subagent a has finished:\nDone with part a.' },
    { text: 'Call 1.1. The subagent b has finished:\nDone with part b.' },
  ]);
  // It has nothing left to go on with.
  expect((await roles.client.conversation(conversationId)).pendingMailbox).toBe(0);
  api.kill('SIGKILL');
  await api.gone;
});
