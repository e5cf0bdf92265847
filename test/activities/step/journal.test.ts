import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createJournal, type Journal, LogBehind } from '../../../activities/step/journal.ts';
import { createRedactor } from '../../../activities/store/log/redaction.ts';
import { type EventBatch, type EventLog, Superseded } from '../../../activities/store/log/events.ts';
import type { NewEvent } from '../../../workflows/contracts/event.ts';

interface Recorded {
  journal: Journal;
  /** Every batch that was offered, in order, refused ones included. */
  offered: EventBatch[];
  /** The events the log took. */
  taken: NewEvent[];
  failures: Error[];
}

/** A journal over a log that does what `onAppend` says and writes down what it was given. */
function journalOver(
  onAppend: (batch: EventBatch) => void | Promise<void>,
  secrets: string[] = [],
): Recorded {
  const recorded = { offered: [] as EventBatch[], taken: [] as NewEvent[], failures: [] as Error[] };
  const log: Pick<EventLog, 'append'> = {
    async append(batch) {
      recorded.offered.push(batch);
      await onAppend(batch);
      recorded.taken.push(...batch.events);
      return recorded.taken.length;
    },
  };
  const journal = createJournal({
    log: log as EventLog,
    tenantId: 'tenant',
    stream: 'run/1',
    conversationId: 'conversation',
    attempt: { runId: '1', unit: 'model/4', attempt: 2 },
    step: 4,
    redactor: createRedactor(secrets).stream(),
    onFailure: (error) => recorded.failures.push(error),
  });
  return { journal, ...recorded };
}

function textOf(events: NewEvent[]): string {
  return events.flatMap((event) => (event.type === 'text-delta' ? [event.payload.text] : [])).join('');
}

const outage = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

test('the first piece leaves at once, fenced and with a key of its own', () => {
  const { journal, offered } = journalOver(() => {});
  journal.text('H');
  expect(offered).toEqual([
    {
      tenantId: 'tenant',
      stream: 'run/1',
      conversationId: 'conversation',
      events: [
        { type: 'text-start', payload: { step: 4, block: 0 } },
        { type: 'text-delta', payload: { step: 4, block: 0, text: 'H' } },
      ],
      fence: { runId: '1', unit: 'model/4', attempt: 2 },
      dedupeKey: 'model/4/2/1',
    },
  ]);
});

test('first words that the redactor holds back leave as soon as it lets them go, with the start of their block', () => {
  const { journal, offered } = journalOver(() => {}, ['today-secret']);
  journal.text('to');
  expect(offered).toEqual([]);
  journal.text('morrow');
  expect(offered.map(({ events }) => events)).toEqual([
    [
      { type: 'text-start', payload: { step: 4, block: 0 } },
      { type: 'text-delta', payload: { step: 4, block: 0, text: 'tomorrow' } },
    ],
  ]);
});

test('pieces that come while a batch is on its way leave together', async () => {
  const held = Promise.withResolvers<void>();
  const { journal, offered } = journalOver(() => held.promise);
  for (const piece of 'Hello, world') journal.text(piece);
  await sleep(60);
  expect(offered, 'one at a time').toHaveLength(1);
  held.resolve();
  await expect.poll(() => offered).toHaveLength(2);
  expect(await journal.seal()).toEqual([{ type: 'text-end', payload: { step: 4, block: 0 } }]);
  expect(offered.map(({ dedupeKey, events }) => [dedupeKey, textOf(events)])).toEqual([
    ['model/4/2/1', 'H'],
    ['model/4/2/2', 'ello, world'],
  ]);
});

test('what is not sent yet at the end goes with the answer, not before it', async () => {
  const { journal, offered } = journalOver(() => {});
  journal.text('first');
  journal.text(' and ');
  journal.text('last');
  expect(await journal.seal()).toEqual([
    { type: 'text-delta', payload: { step: 4, block: 0, text: ' and last' } },
    { type: 'text-end', payload: { step: 4, block: 0 } },
  ]);
  expect(offered).toHaveLength(1);
});

test('a large piece does not wait for company', async () => {
  const { journal, offered } = journalOver(() => {});
  journal.text('first');
  // Until the first batch is stored.
  await sleep(0);
  journal.text('x'.repeat(3000));
  expect(offered).toHaveLength(2);
  await journal.seal();
});

test('thinking and text are blocks that open and close in turn', async () => {
  const { journal, taken } = journalOver(() => {});
  journal.thinking('hm');
  journal.text('yes');
  journal.text('');
  journal.thinking('so');
  const closing = await journal.seal();
  expect(
    [...taken, ...closing].map(({ type, payload }) => [type, (payload as { block: number }).block]),
  ).toEqual([
    ['thinking-start', 0],
    ['thinking-delta', 0],
    ['thinking-end', 0],
    ['text-start', 1],
    ['text-delta', 1],
    ['text-end', 1],
    ['thinking-start', 2],
    ['thinking-delta', 2],
    ['thinking-end', 2],
  ]);
});

test('an answer without a word needs no batch and nothing to close', async () => {
  const { journal, offered } = journalOver(() => {});
  expect(await journal.seal()).toEqual([]);
  expect(offered).toEqual([]);
});

test('however a secret is split over pieces, no piece and no join of pieces holds it', async () => {
  const secret = 'sk-live-4711-abcdef';
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 30 }),
      fc.string({ maxLength: 20 }),
      async (lengths, around) => {
        const whole = `${around}${secret}${around} and ${secret}`;
        const { journal, taken } = journalOver(() => {}, [secret]);
        let rest = whole;
        for (const length of lengths) {
          journal.text(rest.slice(0, length));
          rest = rest.slice(length);
        }
        journal.text(rest);
        const closing = await journal.seal();
        expect(textOf([...taken, ...closing])).toBe(createRedactor([secret]).text(whole));
        expect(JSON.stringify(taken)).not.toContain(secret);
      },
    ),
    { numRuns: 60 },
  );
});

test('what is held back for the sake of a secret is said in the end', async () => {
  const { journal, taken } = journalOver(() => {}, ['sk-live-4711-abcdef']);
  journal.text('it starts like one: sk-live');
  const closing = await journal.seal();
  expect(textOf([...taken, ...closing])).toBe('it starts like one: sk-live');
});

test('an outage is waited out: the same batch is offered again under the same key, and none is lost', async () => {
  let left = 3;
  const { journal, offered, taken, failures } = journalOver(() => {
    left -= 1;
    if (left >= 0) throw outage();
  });
  journal.text('one ');
  journal.text('two');
  const closing = await journal.seal();
  expect(failures).toEqual([]);
  expect(textOf([...taken, ...closing])).toBe('one two');
  expect(offered.map(({ dedupeKey }) => dedupeKey)).toEqual([
    'model/4/2/1',
    'model/4/2/1',
    'model/4/2/1',
    'model/4/2/1',
  ]);
  for (const batch of offered.slice(1, 4)) expect(batch).toEqual(offered[0]);
});

test('a log that refuses is told of once, and nothing more is offered to it', async () => {
  const { journal, offered, failures } = journalOver(() => {
    throw new Superseded('a newer attempt has taken over');
  });
  journal.text('one');
  await sleep(0);
  journal.text('two');
  journal.thinking('three');
  await journal.seal();
  expect(offered).toHaveLength(1);
  expect(failures.map(({ name }) => name)).toEqual(['Superseded']);
});

test('a log that does not keep up ends the attempt instead of filling the memory', async () => {
  const held = Promise.withResolvers<void>();
  const { journal, failures } = journalOver(() => held.promise);
  for (let index = 0; index < 6; index += 1) journal.text('x'.repeat(1024 * 1024));
  expect(failures).toEqual([new LogBehind()]);
  held.resolve();
  await journal.seal();
});

test('what is taken back is closed first, and what follows is a block of its own', async () => {
  const { journal, taken } = journalOver(() => {});
  journal.text('Hm.');
  journal.takeBack('It was thoughts.');
  journal.thinking('Hm.');
  const step = 4;
  const sealed = await journal.seal();
  expect([...taken, ...sealed]).toEqual([
    { type: 'text-start', payload: { step, block: 0 } },
    { type: 'text-delta', payload: { step, block: 0, text: 'Hm.' } },
    { type: 'text-end', payload: { step, block: 0 } },
    { type: 'message-reset', payload: { step, reason: 'It was thoughts.' } },
    { type: 'thinking-start', payload: { step, block: 1 } },
    { type: 'thinking-delta', payload: { step, block: 1, text: 'Hm.' } },
    { type: 'thinking-end', payload: { step, block: 1 } },
  ]);
});
