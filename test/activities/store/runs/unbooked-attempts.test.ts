import { expect, test } from 'vitest';
import { anAttempt, openTestStore } from '../../../support/store.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { unbookedAttempts } from '../../../../activities/store/runs/unbooked-attempts.ts';
import type { NewEvent } from '../../../../workflows/contracts/event.ts';

const store = await openTestStore();
const { log, database } = store;

test('attempts without an account are found with what each of them streamed in that step', async () => {
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

  await store.open(anAttempt(run, 'model/2', 1));
  await streamed(2, 1, thought, text(2, 'one '));
  await streamed(2, 1, text(2, 'two'));
  await store.open(anAttempt(run, 'model/2', 2));
  await store.open(anAttempt(run, 'model/2', 3));
  await streamed(2, 3, text(2, 'under way'));
  const lost = (attempt: number, words: string) => ({
    ref: { runId: run.id, unit: 'model/2', attempt },
    text: words,
  });
  expect(await unbookedAttempts(database.db, run.id, 2, 3)).toEqual([lost(1, 'hm one two'), lost(2, '')]);
  expect(await unbookedAttempts(database.db, run.id, 2)).toEqual([
    lost(1, 'hm one two'),
    lost(2, ''),
    lost(3, 'under way'),
  ]);
  await store.answer(anAttempt(run, 'model/2', 3));
  expect(await unbookedAttempts(database.db, run.id, 2), 'one has answered').toEqual([
    lost(1, 'hm one two'),
    lost(2, ''),
  ]);
});
