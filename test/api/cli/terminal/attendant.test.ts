// A person at a terminal who watches a run and is asked: what they see, what counts, and how the question leaves.
import { expect, test } from 'vitest';
import { listRuns } from '../../../../activities/store/runs/runs.ts';
import type { ApprovalView } from '../../../../workflows/contracts/approval.ts';
import { Failure } from '../../../../workflows/contracts/failures.ts';
import { streamOf } from '../../../../workflows/contracts/event.ts';
import type { TestApp } from '../../../support/test-app.ts';
import { type Captured, eventually, startApi } from '../captured.ts';
import { screenOf, seen } from '../screen.ts';
import { asks, question, type WaitingRun, waitingRun } from '../waiting.ts';

const ways = '  [y] yes  [n] no  [e] edit the arguments  [r] yes, and remember\nallow it? > ';
// Arguments in which something hides are not remembered.
const waysOfHidden = ways.replace('  [r] yes, and remember', '');
const ctrlU = '\u0015';

async function viewOf(api: TestApp, { approvals }: WaitingRun, index = 0): Promise<ApprovalView> {
  return (await api.ask('GET', `/approvals/${approvals[index]?.id}`)).json<ApprovalView>();
}

async function ended(watching: Captured, { store, row }: WaitingRun): Promise<number> {
  await store.end(row);
  return watching.code;
}

test('the exact command is shown with its rule, nothing in it hides, and y lets it run', async () => {
  const { api, attend } = await startApi();
  const run = await waitingRun(api, [
    asks('rm -r \u202ebuild\n\u001b[2Ksafe', { input: { command: 'rm -r \u202ebuild\n\u001b[2Ksafe' } }),
  ]);
  const watching = attend('watch', run.id);
  await seen(watching, waysOfHidden);
  expect(screenOf(watching.out()).slice(-7)).toEqual([
    '! ask: allowed (any tool)',
    '  shell (execute)',
    '  │ rm -r \\u{202e}build',
    '  │ \\u{1b}[2Ksafe',
    expect.stringMatching(/^ {2}rule any tool · allowed · denied in 9 min \d+ s if nobody answers$/),
    ...waysOfHidden.split('\n'),
  ]);
  expect(watching.out()).not.toContain('perdure approve');
  watching.type('y\r');
  await eventually(async () => (await viewOf(api, run)).status === 'approved' || undefined);
  expect(await viewOf(api, run)).toMatchObject({ decidedBy: 'first (cli)', edited: false });
  expect(await ended(watching, run)).toBe(0);
  expect(watching.out()).toContain('\n— approved by first (cli)\n');
});

test('n asks why, and the agent is told', async () => {
  const { api, attend } = await startApi();
  const run = await waitingRun(api, [asks('make')]);
  const watching = attend('watch', run.id);
  await seen(watching, ways);
  watching.type('what?\r');
  await seen(watching, '  Type the letter of one of these, and Enter.\n');
  watching.type('n\r');
  await seen(watching, 'why? the agent is told; it may be empty > ');
  watching.type('It is late.\r');
  await seen(watching, '— denied by first (cli): It is late.\n');
  expect(await viewOf(api, run)).toMatchObject({ status: 'denied', note: 'It is late.' });
  expect(await ended(watching, run)).toBe(0);
});

test('e offers the arguments to be changed, and asks again while they cannot be allowed', async () => {
  const { api, attend } = await startApi({
    async reviewEdit(_queries, _run, _call, input) {
      if (JSON.stringify(input).includes('rm')) throw new Failure('EditRefused', 'Denied by policy (no rm).');
      return { input, inputHash: 'other', subject: 'ls', timeoutSeconds: 60 };
    },
  });
  const content = Array.from({ length: 200 }, (_, index) => `line ${index} \u202e`).join('\n');
  const run = await waitingRun(api, [asks('a.txt', { tool: 'write', input: { path: 'a.txt', content } })]);
  const watching = attend('watch', run.id);
  const waysOut = waysOfHidden.replace('\n', '  [a] show all of it\n');
  await seen(watching, waysOut);
  expect(watching.out()).toMatch(
    / {2}with the arguments\n {2}│ {"path":"a.txt","content":"line 0 \\u202e\\nline 1/,
  );
  expect(watching.out()).toMatch(/\n {2}… \d+ more lines\n/);
  expect(watching.out()).not.toContain('line 199');
  watching.type('a\r');
  await seen(watching, waysOut, 2);
  expect(watching.out()).toContain('line 199');
  for (const [typed, said] of [
    ['{"path":', '  That is not JSON.\n'],
    ['{"path":"rm"}', '! Denied by policy (no rm).\n'],
  ] as const) {
    const before = screenOf(watching.out()).filter((line) => line.startsWith('arguments')).length;
    watching.type('e\r');
    await seen(watching, '\narguments as JSON > ', before + 1);
    watching.type(`${ctrlU}${typed}\r`);
    await seen(watching, said);
  }
  await seen(watching, waysOut, 4);
  watching.type('e\r');
  await seen(watching, '\narguments as JSON > ', 3);
  watching.type(`${ctrlU}{"path":"b.txt"}\r`);
  await seen(watching, '— approved with other arguments by first (cli)\n');
  expect(await viewOf(api, run)).toMatchObject({ edited: true, input: { path: 'b.txt' } });
  expect(await ended(watching, run)).toBe(0);
});

test('short arguments are there to be changed in place, hidden characters as escapes', async () => {
  const { api, attend } = await startApi({
    reviewEdit: async (_queries, _run, _call, input) => ({
      input,
      inputHash: 'other',
      subject: '',
      timeoutSeconds: 60,
    }),
  });
  const run = await waitingRun(api, [
    asks('a\u202e', { tool: 'read', input: { path: 'a\u202e', deep: [1] } }),
  ]);
  const watching = attend('watch', run.id);
  await seen(watching, waysOfHidden);
  watching.type('e\r');
  await seen(watching, 'arguments as JSON > {"deep":[1],"path":"a\\u202e"}');
  // A backspace, and the end anew.
  watching.type('\u007f,"all":true}\r');
  await seen(watching, '— approved with other arguments by first (cli)\n');
  expect((await viewOf(api, run)).input).toEqual({ path: 'a\u202e', deep: [1], all: true });
  expect(await ended(watching, run)).toBe(0);
});

test('a question is answered with the number of a choice or in words, one question after the other', async () => {
  const { api, attend } = await startApi();
  const run = await waitingRun(api, [question('Which one?', 'red', 'blue'), question('How many?')]);
  const watching = attend('watch', run.id);
  await seen(watching, 'a number or your own words > ');
  expect(screenOf(watching.out()).slice(-5, -2)).toEqual(['  │ Which one?', '  │ 1. red', '  │ 2. blue']);
  watching.type('7\r');
  await seen(watching, '  There are 2 choices.\n');
  watching.type('2\r');
  await seen(watching, 'your answer > ');
  watching.type('\r');
  await seen(watching, '  Type an answer, and Enter.\n');
  watching.type('7\r');
  await seen(watching, '— approved by first (cli)\n', 2);
  expect(await ended(watching, run)).toBe(0);
  const { items } = (await api.ask('GET', `/runs/${run.id}/calls`)).json<{ items: object[] }>();
  expect(items).toMatchObject([{ output: 'blue' }, { output: '7' }]);
});

test('an answer from elsewhere takes the question away, and what happened meanwhile is drawn after it', async () => {
  const { api, attend } = await startApi();
  const run = await waitingRun(api, [asks('make')]);
  const watching = attend('watch', run.id);
  await seen(watching, ways);
  watching.type('y, but');
  await seen(watching, `${ways}y, but`);
  await api.log.append({
    tenantId: api.tenantId,
    stream: streamOf('run', run.id),
    conversationId: run.row.conversation_id,
    events: [
      {
        type: 'approval-escalation',
        payload: {
          approvalId: run.approvals[0]?.id ?? '',
          callId: '1.0',
          deadlineAt: new Date().toISOString(),
        },
      },
      { type: 'run-stuck', payload: { reason: 'something else' } },
    ],
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(watching.out()).not.toContain('something else');
  await api.ask('POST', `/approvals/${run.approvals[0]?.id}/deny`, { note: 'No.' });
  await seen(watching, 'something else');
  await seen(watching, '✗ 1.0 shell denied');
  const screen = screenOf(watching.out());
  const from = screen.findIndex((line) => line.startsWith('  rule any tool'));
  expect(screen.slice(from + 2, from + 5)).toEqual([
    '— denied by first (api): No.',
    '! stuck: something else',
    '✗ 1.0 shell denied · 26 B',
  ]);
  expect(await ended(watching, run)).toBe(0);
});

test('what was typed before the question was there does not answer it', async () => {
  const { api, attend } = await startApi();
  const run = await waitingRun(api, [asks('make'), asks('make install')]);
  const watching = attend('watch', run.id);
  watching.type('y\ry\r');
  await seen(watching, ways);
  watching.type('y\ry\ry\r');
  await seen(watching, ways, 2);
  expect(await Promise.all([viewOf(api, run, 0), viewOf(api, run, 1)])).toMatchObject([
    { status: 'approved' },
    { status: 'open' },
  ]);
  watching.type('\u0003');
  expect(await watching.code).toBe(130);
});

test('Ctrl-D leaves it open for somebody else, and the run is watched on', async () => {
  const { api, attend } = await startApi();
  const run = await waitingRun(api, [asks('make')]);
  const watching = attend('watch', run.id);
  await seen(watching, ways);
  watching.type('\u0004');
  await seen(watching, `${ways}\n`);
  await seen(watching, `— perdure approve ${run.approvals[0]?.id.slice(-8)}, until `);
  expect(await viewOf(api, run)).toMatchObject({ status: 'open' });
  await api.ask('POST', `/approvals/${run.approvals[0]?.id}/approve`, {});
  await seen(watching, '— approved by first (api)\n');
  expect(await ended(watching, run)).toBe(0);
});

test('Ctrl-C at the question is Ctrl-C in run: once it interrupts, twice it leaves the run running', async () => {
  const { api, attend } = await startApi();
  const called = attend('run', 'work');
  const row = await eventually(
    async () => (await listRuns(api.log.db, { tenantId: api.tenantId, limit: 1 }))[0],
  );
  const run = await waitingRun(api, [asks('make')], row);
  expect(run.row.attended).toBe(true);
  await seen(called, ways);
  called.type('\u0003');
  await seen(called, '— interrupting; Ctrl-C once more leaves the run running\n');
  await seen(called, 'interrupt asked for by first (cli)');
  called.pressCtrlC();
  expect(await called.code).toBe(130);
  expect(called.err()).toBe(`The run goes on; watch it with: perdure watch ${run.id}\n`);
});

test('what was decided long ago is drawn and not asked, and a pipe is never asked', async () => {
  const { api, attend, call } = await startApi();
  const run = await waitingRun(api, [asks('make')]);
  const piped = call('watch', run.id);
  await seen(piped, `perdure approve ${run.approvals[0]?.id.slice(-8)}`);
  await api.ask('POST', `/approvals/${run.approvals[0]?.id}/approve`, {});
  const watching = attend('watch', run.id);
  await seen(watching, '— approved by first (api)\n');
  expect([await ended(watching, run), await piped.code]).toEqual([0, 0]);
  expect(watching.out() + piped.out()).not.toContain('allow it?');
});

test('what a subagent asks is asked where the main run is watched', async () => {
  const { api, attend } = await startApi();
  const child = await waitingRun(api, [asks('make')]);
  const main = await waitingRun(api, []);
  const watching = attend('watch', main.id);
  await api.log.append({
    tenantId: api.tenantId,
    stream: streamOf('run', main.id),
    conversationId: main.row.conversation_id,
    events: [
      {
        type: 'delegation-approval',
        payload: {
          ...{ runId: child.id, name: 'reader', approvalId: child.approvals[0]?.id ?? '' },
          ...{ text: 'shell make', deadlineAt: new Date().toISOString() },
        },
      },
    ],
  });
  await seen(watching, ways);
  watching.type('y\r');
  await eventually(async () => (await viewOf(api, child)).status === 'approved' || undefined);
  expect(await ended(watching, main)).toBe(0);
});
