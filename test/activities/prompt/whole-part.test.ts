// What of a conversation under way a side question is told.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assemble } from '../../../activities/prompt/assemble.ts';
import { wholeUpTo } from '../../../activities/prompt/whole-part.ts';
import type { StoredMessage, Summary } from '../../../workflows/contracts/message.ts';

const plain = { internal: false, calls: undefined, callId: undefined, failed: false, position: 0 };

function said(runId: string, step: number): StoredMessage {
  return { ...plain, runId, step, phase: 'input', role: 'user', text: `said ${step}` };
}

/** A step with these calls, the first `done` of which have their result. */
function stepOf(runId: string, step: number, calls: number, done: number): StoredMessage[] {
  const ids = Array.from({ length: calls }, (_, index) => `${step}.${index}`);
  return [
    {
      ...{ ...plain, runId, step, phase: 'assistant', role: 'assistant', text: `step ${step}` },
      calls: ids.map((callId) => ({ callId, name: 'read', input: '{}' })),
    },
    ...ids.slice(0, done).map(
      (callId, index): StoredMessage => ({
        ...{ ...plain, runId, step, phase: 'tool', role: 'tool', text: 'read', callId, position: index },
      }),
    ),
  ];
}

test('a run in the middle of a step is told up to that step, and the question comes behind', () => {
  const before = [said('one', 0), ...stepOf('one', 1, 0, 0)];
  const whole = [said('two', 0), ...stepOf('two', 1, 2, 2)];
  const question = [said('aside', 0)];
  const history = [...before, ...whole, ...stepOf('two', 2, 2, 1), ...question];
  expect(wholeUpTo(history, 'aside')).toEqual([...before, ...whole, ...question]);
});

test('the summary that the step under way begins with stays', () => {
  const about: Summary = {
    ...{ kind: 'summary', covers: { runId: 'two', step: 1 }, messages: 3, words: ['said 0'], leftOut: 0 },
    ...{ model: 'scripted/hello', window: 1000, before: 900, after: 100, refused: false },
  };
  const summary = { ...said('two', 3), text: 'summed up', about };
  const whole = stepOf('two', 2, 2, 2);
  const question = [said('aside', 0)];
  expect(wholeUpTo([summary, ...whole, ...stepOf('two', 3, 1, 0), ...question], 'aside')).toEqual([
    ...[summary, ...whole, ...question],
  ]);
});

test('what is left can be sent, whatever is under way, and is the beginning of what there was', () => {
  const step = fc.nat(3).chain((calls) => fc.tuple(fc.constant(calls), fc.nat(calls)));
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 3 }), (runs) => {
      const history = runs.flatMap((steps, run) => [
        said(`run ${run}`, 0),
        ...steps.flatMap(([calls, done], index) => stepOf(`run ${run}`, index + 1, calls, done)),
      ]);
      const left = wholeUpTo([...history, said('aside', 0)], 'aside');
      expect(() => assemble({ tools: [], history: left, context: [] })).not.toThrow();
      expect(history.filter((message) => left.includes(message))).toEqual(left.slice(0, -1));
    }),
  );
});
