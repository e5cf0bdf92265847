import { expect, test } from 'vitest';
import { answerApproval } from '../../../../activities/store/approvals/approvals.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { aCall, anAttempt, hours, lockedRun, openTestStore, answerTimeOf } from '../../../support/store.ts';

const store = await openTestStore();
const stall = { steps: 3, replans: 2 };

/** A step with one call that succeeds with this output; returns what opening it said, and nothing when it did not open. */
async function step(
  run: RunRow,
  number: number,
  output: string,
  call: { effect?: string; inputHash?: string; status?: 'succeeded' | 'failed' } = {},
): Promise<string> {
  const { status = 'succeeded', ...changes } = call;
  const attempt = anAttempt(run, `model/${number}`);
  const opened = await store.open(attempt);
  if (opened.kind !== 'opened') return opened.kind;
  await store.answer(attempt, { calls: [aCall(`${number}.0`, changes)] });
  const claimed = anAttempt(run, `call/${number}.0`);
  await store.claim(claimed);
  await store.record(claimed, { output, status });
  return opened.kind;
}

async function replansOf(run: RunRow): Promise<unknown[]> {
  return (await store.events(run)).flatMap(({ type, payload }) => (type === 'stall' ? [payload] : []));
}

test('a run without progress is told to plan anew as often as its profile says, and is then stalled', async () => {
  const run = await store.started({ stall });
  const opened: string[] = [];
  for (let number = 1; number <= 13; number += 1) opened.push(await step(run, number, 'the same as ever'));
  // The first result is news; three steps later nothing else was, and each time it counts from there.
  expect(opened).toEqual([...Array(10).fill('opened'), ...Array(3).fill('stalled')]);
  expect(await replansOf(run)).toEqual([
    { step: 5, replans: 1 },
    { step: 8, replans: 2 },
  ]);
  const { rows } = await store.database.pool.query(
    `select step, position, internal, text from messages where run_id = $1 and internal order by step`,
    [run.id],
  );
  expect(rows).toEqual([
    {
      step: 5,
      position: 0,
      internal: true,
      text: expect.stringMatching(/^Nothing has come of the last 3 steps: /),
    },
    { step: 8, position: 0, internal: true, text: expect.stringContaining('the run is stopped') },
  ]);
});

test('a step that is opened once more is not told again', async () => {
  const run = await store.started({ stall: { steps: 1, replans: 1 } });
  await step(run, 1, 'x', { status: 'failed' });
  await store.open(anAttempt(run, 'model/2'));
  const again = await store.open(anAttempt(run, 'model/2', 2));
  expect([again.kind, await replansOf(run)]).toEqual(['opened', [{ step: 2, replans: 1 }]]);
});

test('progress is what succeeds in writing or running and was not among the last three results', async () => {
  const long = (text: string) => text.repeat(300);
  const cases: [string, Parameters<typeof step>[3]][] = [
    [long('a'), {}],
    [long('b'), {}],
    // The same answer to another command tells nothing new, the same few words may.
    [long('a'), { inputHash: 'other' }],
    ['Done.', { inputHash: 'one', effect: 'write' }],
    ['Done.', { inputHash: 'two', effect: 'write' }],
    ['Done.', { inputHash: 'two', effect: 'write' }],
    [long('c'), { effect: 'read' }],
    [long('d'), { effect: 'network' }],
    [long('e'), { status: 'failed' }],
    // The fourth last is forgotten.
    [long('a'), {}],
  ];
  const run = await store.started({ stall: { steps: 100, replans: 0 } });
  const progress: number[] = [];
  for (const [index, [output, call]] of cases.entries()) {
    await step(run, index + 1, output, call);
    progress.push((await store.run(run.id)).progress_step);
  }
  expect(progress).toEqual([1, 2, 2, 4, 5, 5, 5, 5, 5, 10]);
});

/** A step that asks a person, who says this, or refuses to. */
async function question(run: RunRow, number: number, inputHash: string, said: string | undefined) {
  await store.step(run, number, {
    calls: [
      aCall(`${number}.0`, {
        ...{ effect: 'read', progress: true, repeat: 'safe', inputHash, decision: 'ask' },
        asks: { kind: 'question', text: 'Which one?', choices: [] },
      }),
    ],
    answerTime: answerTimeOf(hours(1)),
  });
  await store.log.write('test', async (write) => {
    const locked = await lockedRun(write, run.id);
    const { id } = await write.tx
      .selectFrom('approvals')
      .select('id')
      .where('run_id', '=', run.id)
      .where('status', '=', 'open')
      .executeTakeFirstOrThrow();
    await answerApproval(write, locked, id, {
      by: 'ada (cli)',
      ...(said === undefined
        ? { status: 'denied' }
        : { status: 'approved', result: { status: 'succeeded', output: said, failed: false } }),
    });
  });
}

test('what a person answers is progress, unless they refuse to or have said the same to the same question', async () => {
  const run = await store.started({ stall: { steps: 100, replans: 0 } });
  const progress: number[] = [];
  const said = ['Red.', 'Red.', 'Red.', undefined, 'Blue.'];
  for (const [index, words] of said.entries()) {
    // The third question is the second once more.
    await question(run, index + 1, ['one', 'two', 'two', 'three', 'four'][index] ?? '', words);
    progress.push((await store.run(run.id)).progress_step);
  }
  expect(progress).toEqual([1, 2, 2, 2, 5]);
});

test('results of calls side by side count each, in whatever order they come', async () => {
  const run = await store.started({ stall });
  await store.step(run, 1, { calls: [aCall('1.0'), aCall('1.1')] });
  for (const id of ['1.0', '1.1']) await store.claim(anAttempt(run, `call/${id}`));
  await Promise.all(
    ['1.0', '1.1'].map((id) => store.record(anAttempt(run, `call/${id}`), { output: `output of ${id}` })),
  );
  const { progress_step, recent_outputs } = await store.run(run.id);
  expect([progress_step, new Set(recent_outputs).size]).toEqual([1, 2]);
});

test('what somebody says to a stalled run is heard before it is stopped', async () => {
  const run = await store.started({ stall: { steps: 2, replans: 0 } });
  await step(run, 1, 'x', { status: 'failed' });
  await step(run, 2, 'x', { status: 'failed' });
  expect((await store.open(anAttempt(run, 'model/3'))).kind).toBe('stalled');
  await store.input(run, { kind: 'steer', messageId: 'one', text: 'Look into src.' });
  expect((await store.open(anAttempt(run, 'model/3'))).kind).toBe('opened');
  expect([await replansOf(run), (await store.run(run.id)).progress_step]).toEqual([[], 2]);
});

test('nobody looks where the profile says nothing of it', async () => {
  const run = await store.started();
  for (let number = 1; number <= 8; number += 1) await step(run, number, 'the same');
  const { progress_step, recent_outputs, replans } = await store.run(run.id);
  expect([progress_step, recent_outputs, replans, await replansOf(run)]).toEqual([0, [], 0, []]);
});
