// What is summed up of a conversation, and what stays: whole steps, the newest, and what people said.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assemble } from '../../../activities/prompt/assemble.ts';
import { planCompaction, sizeOf, splitHistory, summaryMessages } from '../../../activities/prompt/compact.ts';
import { shortened, tokensOf } from '../../../activities/prompt/tokens.ts';
import type { StoredMessage, Summary } from '../../../workflows/contracts/message.ts';

const plain = { internal: false, calls: undefined, callId: undefined, failed: false, position: 0 };

function prompt(runId: string, text: string): StoredMessage {
  return { ...plain, runId, step: 0, phase: 'input', role: 'user', text };
}

/** A step with an answer that makes calls, and their results. */
function step(runId: string, number: number, text: string, results: string[]): StoredMessage[] {
  const place = { ...plain, runId, step: number };
  const calls = results.map((_, index) => ({ callId: `${number}.${index}`, name: 'read', input: '{}' }));
  return [
    { ...place, phase: 'assistant', role: 'assistant', text, calls },
    ...results.map(
      (output, index): StoredMessage => ({
        ...{ ...place, phase: 'tool', position: index, role: 'tool', text: output },
        callId: `${number}.${index}`,
      }),
    ),
  ];
}

const long = fc.integer({ min: 0, max: 3_000 }).map((length) => 'word '.repeat(length / 5));
const run = fc.record({
  prompt: long,
  steps: fc.array(fc.record({ text: long, results: fc.array(long, { maxLength: 3 }) }), { maxLength: 6 }),
});

/** A conversation of several runs; the last has not answered its newest step. */
const conversation = fc
  .array(run, { minLength: 1, maxLength: 5 })
  .map((runs) =>
    runs.flatMap(({ prompt: asked, steps }, index) => [
      prompt(`run-${index}`, `${index}: ${asked}`),
      ...steps.flatMap(({ text, results }, at) => step(`run-${index}`, at + 1, text, results)),
    ]),
  );

/** The history as the store gives it once the summary is stored. */
function after(history: StoredMessage[], window: number): StoredMessage[] | undefined {
  const compaction = planCompaction(history, { window, fixed: 0, forced: true });
  if (compaction === undefined) return undefined;
  const { covers, messages, words, leftOut } = compaction;
  const about: Summary = {
    ...{ kind: 'summary', covers, messages, words, leftOut, model: 'm' },
    ...{ window, before: 0, after: 0, refused: true },
  };
  const { rest } = splitHistory(history);
  const cut = rest.findLastIndex(({ runId, step: at }) => runId === covers.runId && at <= covers.step);
  const last = rest.at(-1);
  const summary: StoredMessage = {
    ...{ ...plain, runId: last?.runId ?? '', step: 99, phase: 'input', role: 'user', internal: true },
    ...{ text: 'Summed up.', about },
  };
  return [summary, ...rest.slice(cut + 1)];
}

const of = (window: number, fixed = 0) => ({ window, fixed, forced: false });

const everything = { tools: [], context: [{ owner: 'clock', text: 'Date: today' }] };

test('what stays is whole: it can be sent, no step is cut, and what people said is there or counted', () => {
  fc.assert(
    fc.property(conversation, fc.integer({ min: 300, max: 20_000 }), (history, window) => {
      let [now, left]: [StoredMessage[], number] = [history, 0];
      for (let next = after(now, window); next !== undefined; next = after(now, window)) {
        // It throws where a call has no result.
        assemble({ ...everything, history: next });
        expect(next.length).toBeLessThanOrEqual(now.length);
        const { summary, rest } = splitHistory(next);
        left = summary?.about.leftOut ?? 0;
        const said = history.filter(({ role }) => role === 'user').length;
        const kept = rest.filter(({ role }) => role === 'user').length;
        expect((summary?.about.words.length ?? 0) + left + kept).toBe(said);
        expect(summary?.about.words[0]?.slice(0, 2)).toBe('0:');
        expect(summary?.about.messages).toBe(history.length - rest.length);
        if (rest.length === splitHistory(now).rest.length) break;
        now = next;
      }
    }),
  );
});

test('what the model is asked to sum up fits into its window with room for the answer', () => {
  fc.assert(
    fc.property(conversation, fc.integer({ min: 2_000, max: 20_000 }), (history, window) => {
      const compaction = planCompaction(history, { window, fixed: 0, forced: true });
      if (compaction === undefined) return;
      const texts = summaryMessages(compaction).map(({ text }) => text);
      expect(tokensOf(texts.join('')) - tokensOf(texts[0] ?? '')).toBeLessThan(window * 0.5 + 300);
    }),
  );
});

test('the newest steps stay, the very newest even when it is large, and little is not summed up', () => {
  const steps = Array.from({ length: 10 }, (_, index) =>
    step('a', index + 1, `Step ${index + 1}.`, ['x'.repeat(1_500)]),
  ).flat();
  const history = [prompt('a', 'Go.'), ...steps];
  const each = Math.round(steps.reduce((sum, message) => sum + sizeOf(message), 0) / 10);
  // Four fit into a quarter of it.
  expect(planCompaction(history, of(each * 18))?.covers).toEqual({ runId: 'a', step: 6 });
  const large = [...history, ...step('a', 11, 'Step 11.', ['y'.repeat(12_000)])];
  expect(planCompaction(large, of(each * 18))?.covers).toEqual({ runId: 'a', step: 10 });
  // It would be full again at once with so much else in it.
  const newest = [prompt('a', 'Go.'), ...step('a', 1, 'Here.', ['x'.repeat(3_000)]), prompt('b', 'On.')];
  const size = sizeOf(newest[2] as StoredMessage);
  expect(planCompaction(newest, of(size * 3))).toBeUndefined();
  expect(planCompaction(newest, of(size * 3, size))?.covers).toEqual({ runId: 'a', step: 1 });
  expect(planCompaction(history.slice(0, 5), of(each * 40))).toBeUndefined();
  expect(planCompaction([prompt('a', 'Go.'.repeat(9_000))], { ...of(1_000), forced: true })).toBeUndefined();
});

test('a text is cut in its middle, between characters', () => {
  expect(shortened('short', 100)).toBe('short');
  expect(shortened('ä'.repeat(100), 20)).toMatch(/^ä{15}\n\[… 140 bytes left out …\]\nä{15}$/);
});
