// Listing what waits and answering it by id, against the real API.
import { expect, test } from 'vitest';
import { askForOwn } from '../../../support/allowances.ts';
import { storeOver } from '../../../support/store.ts';
import type { ApprovalView } from '../../../../workflows/contracts/approval.ts';
import { startApi } from '../captured.ts';
import { asks, question, waitingRun } from '../waiting.ts';

test('approvals lists what waits, of every run or of one, and says so when nothing does', async () => {
  const { api, call } = await startApi();
  const none = call('approvals');
  expect([await none.code, none.out()]).toEqual([0, 'Nothing waits for an answer.\n']);
  const first = await waitingRun(api, [asks('shell rm -r \u202ebuild'), question('Which one?')]);
  const second = await waitingRun(api, [asks('shell make')]);
  const all = call('approvals');
  expect(await all.code).toBe(0);
  const rows = all
    .out()
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  const row = (view: ApprovalView | undefined, what: string): unknown[] => [
    view?.id.slice(-8),
    expect.stringMatching(/^\d+\.\d s$/),
    expect.stringMatching(/^9 min \d+ s$/),
    view?.runId.slice(-8),
    what,
  ];
  expect(rows).toEqual([
    ['ID', 'AGE', 'LEFT', 'RUN', 'WHAT'],
    row(second.approvals[0], 'shell make'),
    row(first.approvals[1], 'question: Which one?'),
    row(first.approvals[0], 'shell rm -r \\u{202e}build'),
  ]);
  const json = call('approvals', '--run', second.id, '--json');
  expect([await json.code, JSON.parse(json.out())]).toEqual([
    0,
    // What may be remembered expires some time after it is asked for.
    {
      items: second.approvals.map((view) => ({ ...view, remembers: expect.anything() })),
      nextCursor: null,
    },
  ]);
});

test('approve and deny say what is decided, and whoever comes second is told who was first', async () => {
  const { api, call } = await startApi();
  const { approvals } = await waitingRun(api, [asks('shell make'), asks('shell rm'), question('Which one?')]);
  const [make, remove, which] = approvals.map(({ id }) => id) as [string, string, string];
  const edited = call('approve', make, '--input', '{"command":"make -n"}', '--note', 'Look first.');
  expect([await edited.code, edited.out()]).toEqual([0, 'approved with other arguments: shell make\n']);
  const denied = call('deny', remove, '--note', 'Not today.', '--json');
  expect([await denied.code, JSON.parse(denied.out())]).toMatchObject([
    0,
    { status: 'denied', note: 'Not today.', decidedBy: 'first (cli)' },
  ]);
  const answered = call('approve', which, '--answer', 'The blue one.');
  expect([await answered.code, answered.out()]).toEqual([0, 'approved: Which one?\n']);
  const late = call('approve', remove);
  expect([await late.code, late.out()]).toEqual([1, '']);
  expect(late.err()).toMatch(/^perdure: Approval \S+ was denied by first \(cli\) at \S+Z\.\n$/);
  const done = call('approvals', '--status', 'denied');
  expect(await done.code).toBe(0);
  expect(done.out()).toContain('denied by first (cli)');
  const everything = call('approvals', '--all', '--json');
  await everything.code;
  expect(JSON.parse(everything.out()).items.map((item: ApprovalView) => item.status)).toEqual([
    'approved',
    'denied',
    'approved',
  ]);
});

test('approve --dollars gives a run so much more that has spent what it may', async () => {
  const { api, call } = await startApi();
  const store = storeOver('', api.database, api.log);
  const limits = { steps: 9, seconds: 60, costMicros: 1_500_000, tokens: 100_000 };
  const run = await store.started({ limits });
  const id = await askForOwn(store, run);
  const without = call('approve', id);
  expect([await without.code, without.err()]).toEqual([
    2,
    expect.stringContaining('Say how many dollars more the run may spend'),
  ]);
  const done = call('approve', id, '--dollars', '0.50');
  expect([await done.code, done.err()]).toEqual([0, '']);
  expect((await api.ask('GET', `/runs/${run.id}`)).json().limits.costMicros).toBe(2_000_000);
});

test('approve remembers exactly what was asked, says so first, and says no to what cannot be remembered', async () => {
  const { api, call } = await startApi();
  const make = { tool: 'shell', effect: 'execute', input: { command: 'make' } } as const;
  const { id, approvals } = await waitingRun(api, [
    asks('make', { ...make, subject: 'make' }),
    asks('make \u200b', { ...make, subject: 'make \u200b' }),
  ]);
  const [plain, open] = approvals.map((approval) => approval.id) as [string, string];
  const days = call('approve', plain, '--days', '3');
  expect([await days.code, days.err()]).toEqual([2, 'perdure: --days says how long: give --remember too.\n']);
  const unseen = call('approve', plain, '--remember', 'run', '--input', '{"command":"make -n"}');
  expect([await unseen.code, unseen.err()]).toEqual([
    2,
    'perdure: --remember saves the arguments the approval shows, which --input changes: give one of the two.\n',
  ]);
  const done = call('approve', plain, '--remember', 'run', '--days', '3');
  expect([await done.code, done.out(), done.err()]).toEqual([
    0,
    'approved: make\n',
    'remembering in this run, for 3 days: the tool shell with exactly these arguments and no others: {"command":"make"}\n',
  ]);
  const { rows } = await api.database.pool.query('select scope, key, tool, allows from remembered_answers');
  expect(rows).toMatchObject([
    {
      ...{ scope: 'run', key: id, tool: 'shell' },
      allows: 'the tool shell with exactly these arguments and no others: {"command":"make"}',
    },
  ]);
  const never = call('approve', open, '--remember', 'everywhere');
  expect([await never.code, never.err()]).toEqual([
    2,
    'perdure: This cannot be remembered; approve it without.\n',
  ]);
});

test('status says what waits for a person', async () => {
  const { api, call } = await startApi();
  const { approvals } = await waitingRun(api, [asks('shell make')]);
  const status = call('status');
  expect(await status.code).toBe(0);
  expect(status.out()).toContain('\n1 approval waiting; answer with approve or deny:\n');
  expect(status.out()).toContain(`\n${approvals[0]?.id.slice(-8)}  `);
});

test.each([
  [['approve', 'x', '--input', '{'], /It must be JSON, such as/],
  [['approve', 'x', '--input', '1', '--answer', 'y'], /cannot be used with option/],
  [['approvals', '--status', 'lost'], /Allowed choices are open, approved, denied, expired, withdrawn/],
  [['approvals', '--all', '--status', 'open'], /cannot be used with option/],
])('%j is wrong use, told in a sentence', async (args, said) => {
  const { call } = await startApi();
  const called = call(...args);
  expect([await called.code, called.out()]).toEqual([2, '']);
  expect(called.err()).toMatch(said);
});
