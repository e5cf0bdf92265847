import { expect, test } from 'vitest';
import { anAttempt, openTestStore } from '../../../support/store.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { unbookedAttempts } from '../../../../activities/store/runs/unbooked-attempts.ts';
import { closeReservation, reserve } from '../../../../activities/store/allowances/allowances.ts';
import type { NewEvent } from '../../../../workflows/contracts/event.ts';

const store = await openTestStore();
const { log, database } = store;

test('attempts without an account are found with what is known of their use in that step', async () => {
  const run = await store.started();
  const streamed = (step: number, attempt: number, ...events: NewEvent[]) =>
    log.append({
      tenantId: defaultTenant,
      stream: `run/${run.id}`,
      conversationId: run.conversation_id,
      events,
      fence: anAttempt(run, `model/${step}`, attempt),
    });
  const text = (step: number, words: string): NewEvent => ({
    type: 'text-delta',
    payload: { step, block: 1, text: words },
  });
  const thought: NewEvent = { type: 'thinking-delta', payload: { step: 2, block: 0, text: 'hm ' } };

  await store.open(anAttempt(run, 'model/1', 1));
  await streamed(1, 1, text(1, 'another step'));
  expect(await unbookedAttempts(database.db, run.id, 1, 1)).toEqual([]);
  await store.answer(anAttempt(run, 'model/1', 1));
  expect(await unbookedAttempts(database.db, run.id, 1)).toEqual([]);

  // Twice the answer and the margin, at a micro-dollar a token of the prompt and two of the answer.
  const worst = { inputTokens: 100, outputTokens: 4010, costMicros: 8120, promptCostMicros: 100 };
  const asks = async (attempt: number) => {
    await store.open(anAttempt(run, 'model/2', attempt));
    const key = { tenantId: defaultTenant, runId: run.id, step: 2, attempt };
    await reserve(database.db, { ...key, model: 'openai/gpt', worst });
  };
  await asks(1);
  await streamed(2, 1, thought, text(2, 'one '));
  await streamed(2, 1, text(2, 'two'));
  await asks(2);
  await asks(3);
  await streamed(2, 3, text(2, 'under way äöü 漢字'));
  const lost = (attempt: number, words: string) => {
    const outputTokens = 2000 + Math.ceil(Buffer.byteLength(words) / 3);
    const cost = { costMicros: 100 + 2 * outputTokens, estimated: true };
    const use = { inputTokens: 100, cachedInputTokens: 0, outputTokens, ...cost };
    return { ref: { runId: run.id, unit: 'model/2', attempt }, use };
  };
  expect(await unbookedAttempts(database.db, run.id, 2, 3)).toEqual([lost(1, 'hm one two'), lost(2, '')]);
  expect(await unbookedAttempts(database.db, run.id, 2)).toEqual([
    lost(1, 'hm one two'),
    lost(2, ''),
    lost(3, 'under way äöü 漢字'),
  ]);
  // Without a reservation it has asked no model.
  await store.open(anAttempt(run, 'model/2', 4));
  await store.answer(anAttempt(run, 'model/2', 4));
  // Of one that lost its fence and heard what it had used all the same, that is known.
  const real = { inputTokens: 90, cachedInputTokens: 5, outputTokens: 7, costMicros: 104, estimated: false };
  const late = { tenantId: defaultTenant, runId: run.id, step: 2, attempt: 3 };
  expect((await closeReservation(database.db, late, real)).kind).toBe('settled');
  const third = { ...lost(3, ''), use: real };
  expect(await unbookedAttempts(database.db, run.id, 2), 'one has answered').toEqual([
    lost(1, 'hm one two'),
    lost(2, ''),
    third,
  ]);
});
