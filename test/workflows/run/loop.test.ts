import { setImmediate as settled } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { CallModelResult, PlannedCall } from '../../../workflows/contracts/activities.ts';
import { type RunEnding, runLoop } from '../../../workflows/run/loop.ts';
import { ContinuedAsNew, portsOf, type Script } from './scripted-ports.ts';

function call(callId: string): PlannedCall {
  return { callId, tool: 'read', summary: 'read a', decision: 'allow', rule: 'any', timeoutSeconds: 10 };
}
const stopped: RunEnding = { outcome: 'stopped', reason: 'interrupted' };

async function run(
  script: Script,
  begun: Parameters<typeof runLoop>[1] = { step: 0, openCalls: [] },
): Promise<string[]> {
  const { ports, asked } = portsOf(script);
  await runLoop(ports, begun);
  return asked;
}

const answer: CallModelResult = { kind: 'answer' };
const calls = (finish: boolean, ...ids: string[]): CallModelResult => ({
  kind: 'calls',
  finish,
  calls: ids.map(call),
});

test('an answer without calls finishes the run', async () => {
  expect(await run({ answers: [answer] })).toEqual(['model 1', 'finish 1 succeeded finished']);
});

test('an answer that has ended the run is the end, and so is a run of another execution', async () => {
  expect(await run({ answers: [{ kind: 'answer', ended: 'succeeded' }] })).toEqual([
    'model 1',
    'ended succeeded',
  ]);
  expect(await run({ answers: [{ kind: 'foreign' }] })).toEqual(['model 1']);
  const result = { status: 'cancelled', reason: 'cancelled', steps: 0, costMicros: 0 } as const;
  expect(await run({ answers: [{ kind: 'foreign', result }] })).toEqual(['model 1', 'ended cancelled 0']);
});

test('no call is made and no run ends before the project is recorded, and none is made of one that is gone', async () => {
  const recorded = Promise.withResolvers<undefined>();
  const step: CallModelResult = { kind: 'calls', finish: false, calls: [call('1.0')] };
  const { ports, asked } = portsOf({ answers: [step, answer], recorded: recorded.promise });
  const running = runLoop(ports, { step: 0, openCalls: [] });
  await settled();
  expect(asked).toEqual(['model 1']);
  recorded.resolve(undefined);
  await running;
  expect(asked).toEqual([
    'model 1',
    'tool 1.0',
    'done 1.0',
    'between 1',
    'model 2',
    'finish 2 succeeded finished',
  ]);
  const gone: RunEnding = { outcome: 'failed', reason: 'project_missing' };
  for (const answers of [[step], [answer]])
    expect(await run({ answers, recorded: Promise.resolve(gone) })).toEqual([
      'model 1',
      'finish 1 failed project_missing',
    ]);
});

test('what is asked about is made once it is allowed, and what is denied is not', async () => {
  const asked: PlannedCall = { ...call('1.0'), decision: 'ask' };
  const denied: PlannedCall = { ...call('1.2'), decision: 'ask' };
  const step: CallModelResult = { kind: 'calls', finish: false, calls: [asked, call('1.1'), denied] };
  expect(await run({ answers: [step, answer], denied: ['1.2'] })).toEqual([
    'model 1',
    'may 1.0',
    'tool 1.1',
    'may 1.2',
    'tool 1.0',
    'done 1.1',
    'done 1.0',
    'between 1',
    'model 2',
    'finish 2 succeeded finished',
  ]);
});

test('a step without money is asked for again once there is some, and else the run ends', async () => {
  const paused: CallModelResult = { kind: 'paused', waits: 'limit/a', reason: 'limit_cost' };
  expect(await run({ answers: [paused, answer] })).toEqual([
    'model 1',
    'may limit/a',
    'model 1',
    'finish 1 succeeded finished',
  ]);
  expect(await run({ answers: [paused], denied: ['limit/a'] })).toEqual([
    'model 1',
    'may limit/a',
    'finish 0 failed limit_cost',
  ]);
});

test('calls of a step run side by side, and the next step comes after all of them', async () => {
  expect(await run({ answers: [calls(false, '1.0', '1.1'), answer] })).toEqual([
    'model 1',
    'tool 1.0',
    'tool 1.1',
    'done 1.0',
    'done 1.1',
    'between 1',
    'model 2',
    'finish 2 succeeded finished',
  ]);
});

test('a step whose calls were all refused goes on to the next', async () => {
  expect(await run({ answers: [calls(false), answer] })).toEqual([
    'model 1',
    'between 1',
    'model 2',
    'finish 2 succeeded finished',
  ]);
});

test('finish ends the run after the calls of its step', async () => {
  expect(await run({ answers: [calls(true, '1.0')] })).toEqual([
    'model 1',
    'tool 1.0',
    'done 1.0',
    'finish 1 succeeded finished',
  ]);
});

test('a limit ends the run with its reason, without counting a step', async () => {
  expect(await run({ answers: [{ kind: 'limit', reason: 'limit_cost' }] })).toEqual([
    'model 1',
    'finish 0 failed limit_cost',
  ]);
});

test('a model call that found a stop ends the run as stopped', async () => {
  expect(await run({ answers: [{ kind: 'stopped' }] })).toEqual(['model 1', 'finish 0 stopped interrupted']);
});

test('a run that is stopped during a model call ends without its tools', async () => {
  expect(await run({ answers: [answer], endings: { 0: stopped } })).toEqual(['finish 0 stopped interrupted']);
});

test('a run whose time is up during its tools ends there', async () => {
  const endings = { 1: { outcome: 'timed_out', reason: 'limit_seconds' } as const };
  expect(await run({ answers: [calls(false, '1.0')], endings })).toEqual([
    'model 1',
    'finish 1 timed_out limit_seconds',
  ]);
});

test('a stop during the tools of a step that called finish wins over finish', async () => {
  expect(await run({ answers: [calls(true, '1.0')], endings: { 1: stopped } })).toEqual([
    'model 1',
    'finish 1 stopped interrupted',
  ]);
});

test('what came in while the run was finishing is applied in another step', async () => {
  expect(await run({ answers: [answer], notYet: 2 })).toEqual([
    'model 1',
    'finish 1 succeeded finished',
    'between 1',
    'model 2',
    'finish 2 succeeded finished',
    'between 2',
    'model 3',
    'finish 3 succeeded finished',
  ]);
});

test('an execution that takes over goes on with the calls that have no result', async () => {
  const begun = { step: 3, openCalls: [call('3.1'), call('3.4')] };
  expect(await run({ answers: [answer] }, begun)).toEqual([
    'tool 3.1',
    'tool 3.4',
    'done 3.1',
    'done 3.4',
    'between 3',
    'model 4',
    'finish 4 succeeded finished',
  ]);
});

test('an execution that takes over a run whose last answer is there goes on with its end', async () => {
  const begun = { step: 3, openCalls: [], ends: true };
  expect(await run({ answers: [answer] }, begun)).toEqual(['finish 3 succeeded finished']);
  expect(await run({ answers: [answer] }, { ...begun, openCalls: [call('3.1')] })).toEqual([
    ...['tool 3.1', 'done 3.1', 'finish 3 succeeded finished'],
  ]);
  expect(await run({ answers: [answer], notYet: 1 }, begun)).toEqual([
    ...['finish 3 succeeded finished', 'between 3', 'model 4', 'finish 4 succeeded finished'],
  ]);
});

test('continue-as-new happens between steps, never with a call open', async () => {
  const { ports, asked } = portsOf({ answers: [calls(false, '1.0'), calls(false, '2.0'), answer] }, 2);
  await expect(runLoop(ports, { step: 0, openCalls: [] })).rejects.toThrow(ContinuedAsNew);
  expect(asked).toEqual([
    'model 1',
    'tool 1.0',
    'done 1.0',
    'between 1',
    'model 2',
    'tool 2.0',
    'done 2.0',
    'between 2',
  ]);
});

test('one call that breaks is passed on only after the others have come to their end', async () => {
  const { ports, asked } = portsOf({ answers: [calls(false, '1.0', '1.1', '1.2')], broken: ['1.0'] });
  await expect(runLoop(ports, { step: 0, openCalls: [] })).rejects.toThrow('1.0 broke');
  expect(asked).toEqual(['model 1', 'tool 1.0', 'tool 1.1', 'tool 1.2', 'done 1.1', 'done 1.2']);
});

const written = (callId: string): PlannedCall => ({ ...call(callId), tool: 'write', order: 'write' });
const readOf = (callId: string): PlannedCall => ({ ...call(callId), order: 'read' });
const mixed: CallModelResult = {
  kind: 'calls',
  finish: false,
  calls: [
    readOf('1.0'),
    readOf('1.1'),
    written('1.2'),
    { ...written('1.3'), decision: 'ask' },
    readOf('1.4'),
  ],
};

test('from the first write on calls are made in the order written, and people are asked at once', async () => {
  expect(await run({ answers: [mixed, answer] })).toEqual([
    'model 1',
    'may 1.3',
    ...['tool 1.0', 'tool 1.1', 'done 1.0', 'done 1.1'],
    ...['tool 1.2', 'done 1.2'],
    ...['tool 1.3', 'done 1.3'],
    ...['tool 1.4', 'done 1.4'],
    'between 1',
    'model 2',
    'finish 2 succeeded finished',
  ]);
});

test('a failure stops nothing, and after an unknown outcome a write is not made and no answer is waited for', async () => {
  expect(await run({ answers: [mixed, answer], statuses: { '1.1': 'failed', '1.2': 'unknown' } })).toEqual([
    'model 1',
    'may 1.3',
    ...['tool 1.0', 'tool 1.1', 'done 1.0', 'done 1.1'],
    ...['tool 1.2', 'done 1.2'],
    ...['not made 1.3 after 1.2 unknown', 'may 1.3'],
    ...['tool 1.4', 'done 1.4'],
    'between 1',
    'model 2',
    'finish 2 succeeded finished',
  ]);
});

test('an execution that takes over makes no write after what was left in doubt before it', async () => {
  const after = { callId: '3.0', status: 'unknown' } as const;
  const begun = { step: 3, openCalls: [readOf('3.1'), { ...written('3.2'), after }] };
  expect(await run({ answers: [answer] }, begun)).toEqual([
    ...['tool 3.1', 'done 3.1', 'not made 3.2 after 3.0 unknown'],
    'between 3',
    'model 4',
    'finish 4 succeeded finished',
  ]);
});

test('calls that an execution began before there was an order go on side by side', async () => {
  expect((await run({ answers: [mixed, answer], isOld: true })).slice(0, 6)).toEqual([
    'model 1',
    ...['tool 1.0', 'tool 1.1', 'tool 1.2', 'may 1.3', 'tool 1.4'],
  ]);
});

test('a call that breaks is passed on, and what waited for it is not made', async () => {
  const { ports, asked } = portsOf({ answers: [mixed], broken: ['1.2'] });
  await expect(runLoop(ports, { step: 0, openCalls: [] })).rejects.toThrow('1.2 broke');
  expect(asked.slice(-2)).toEqual(['done 1.1', 'tool 1.2']);
});
