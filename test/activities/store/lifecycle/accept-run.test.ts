import { v7 as uuid } from 'uuid';
import { expect, test } from 'vitest';
import { sourcesOf } from '../../../support/accepting.ts';
import { expectWholeLog, lockedRun, openTestStore } from '../../../support/store.ts';
import { violatedConstraint } from '../../../../activities/store/db/database.ts';
import { addInput } from '../../../../activities/store/runs/inputs.ts';
import { toRunViews } from '../../../../activities/store/allowances/run-money.ts';
import { activeRunOf } from '../../../../activities/store/runs/runs.ts';
import { readContext } from '../../../../activities/store/runs/messages.ts';
import { Failure } from '../../../../workflows/contracts/failures.ts';

const store = await openTestStore({ connections: 20 });
const { database } = store;

async function inputsOf(runId: string) {
  const rows = await database.db
    .selectFrom('inputs')
    .select(['kind', 'message_id', 'text', 'status', 'by'])
    .where('run_id', '=', runId)
    .orderBy('id')
    .execute();
  return rows;
}

test('an accepted run has its row, its message and its first event, and opens a conversation', async () => {
  const { run, became } = await store.accept({
    prompt: 'Mend  the\ntest.',
    messageId: 'mine',
    metadata: { ticket: '7' },
  });
  expect(became).toBe('started');
  const limits = { steps: 200, seconds: 3600, costMicros: 50_000_000, tokens: 50_000_000 };
  const [model, policy, priority] = ['scripted/hello', 'trusted-mount-autonomous', 'normal'];
  const settings = { model, policy, priority, project: null, limits, sources: sourcesOf('instance') };
  const [view] = await toRunViews(database.db, [await store.run(run.id)]);
  expect(view).toEqual({
    ...settings,
    id: run.id,
    conversationId: run.conversation_id,
    ...{ kind: 'main', parentId: null, alternativeOf: null, delegation: null, subagents: 0 },
    status: 'queued',
    parked: false,
    stuck: null,
    reason: null,
    reasonText: null,
    prompt: 'Mend  the\ntest.',
    metadata: { ticket: '7' },
    ...{ attended: false, overBudget: 'pause', execMode: 'mount', workTree: 'in-place', owner: null },
    ...{ preset: null, externalTools: [], container: null, homecoming: null },
    ...{ executor: null, workspace: null, acceptNoContainment: false, deniedCalls: null },
    steps: 0,
    usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 },
    costMicros: 0,
    ceilingCostMicros: 0,
    heldCostMicros: 0,
    createdAt: run.created_at.toISOString(),
    startedAt: null,
    endedAt: null,
    finalMessage: null,
  });
  expect(await store.events(run)).toEqual([
    {
      type: 'run-queued',
      payload: {
        conversationId: run.conversation_id,
        parentId: null,
        prompt: 'Mend  the\ntest.',
        messageId: 'mine',
        ...settings,
        execMode: 'mount',
        parked: false,
        by: 'test',
      },
    },
  ]);
  expect(
    (await readContext(database.db, run.tenant_id, run.id)).map(({ role, text }) => [role, text]),
  ).toEqual([['user', 'Mend  the\ntest.']]);
  const conversation = await database.db
    .selectFrom('conversations')
    .innerJoin('conversation_heads', 'conversation_id', 'id')
    .select(['title', 'seq'])
    .where('id', '=', run.conversation_id)
    .executeTakeFirst();
  expect(conversation).toEqual({ title: 'Mend the test.', seq: 1 });
});

test('a busy conversation refuses by default and names the active run', async () => {
  const { run } = await store.accept();
  const failure = await store
    .accept({ conversationId: run.conversation_id })
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Failure);
  expect(failure).toMatchObject({ code: 'ConversationBusy', extra: { activeRunId: run.id } });
});

test('an unknown conversation is refused', async () => {
  await expect(store.accept({ conversationId: uuid() })).rejects.toMatchObject({ code: 'NotFound' });
});

test('a queued message is parked without a parent until its turn comes', async () => {
  const { run } = await store.accept();
  const parked = await store.accept({
    conversationId: run.conversation_id,
    whenBusy: 'queue',
    prompt: 'Next.',
  });
  expect(parked).toMatchObject({
    became: 'parked',
    run: { parked: true, parent_id: null, status: 'queued' },
  });
  expect(await activeRunOf(database.db, run.tenant_id, run.conversation_id)).toMatchObject({ id: run.id });
});

test('a message that steers goes into the active run', async () => {
  const { run } = await store.accept();
  const steered = await store.accept({
    conversationId: run.conversation_id,
    whenBusy: 'steer',
    messageId: 'steer-1',
    prompt: 'Be quick.',
  });
  expect(steered).toMatchObject({ became: 'steered', run: { id: run.id } });
  expect(await inputsOf(run.id)).toEqual([
    { kind: 'steer', message_id: 'steer-1', text: 'Be quick.', status: 'accepted', by: 'test' },
  ]);
});

test('a message that interrupts stops the active run and waits behind it', async () => {
  const run = await store.started();
  const change = { conversationId: run.conversation_id, whenBusy: 'interrupt', messageId: 'now' } as const;
  const accepted = await store.accept(change);
  expect(accepted).toMatchObject({ became: 'parked', run: { parked: true }, interrupted: { id: run.id } });
  expect(await inputsOf(run.id)).toEqual([
    { kind: 'interrupt', message_id: 'interrupt-for-now', text: '', status: 'accepted', by: 'test' },
  ]);
  expect(await store.accept(change)).toMatchObject({ became: 'known', run: { id: accepted.run.id } });
});

test('the same message id again answers with the run it became, however often and whatever happened since', async () => {
  const first = await store.accept({ messageId: 'opening' });
  expect(await store.accept({ messageId: 'opening' })).toMatchObject({
    became: 'known',
    run: { id: first.run.id },
  });
  const next = { conversationId: first.run.conversation_id, messageId: 'second', whenBusy: 'queue' } as const;
  const second = await store.accept(next);
  expect(await store.accept(next)).toMatchObject({ became: 'known', run: { id: second.run.id } });
  await store.end(first.run, { status: 'cancelled', reason: 'cancelled' });
  expect(await store.accept({ messageId: 'opening' })).toMatchObject({
    became: 'known',
    run: { id: first.run.id },
  });
});

test('a message that was applied as a steer is not started as a run when it is sent again later', async () => {
  const run = await store.started();
  const message = {
    conversationId: run.conversation_id,
    whenBusy: 'steer',
    messageId: 'steer-again',
    prompt: 'Be quick.',
  } as const;
  await store.accept(message);
  expect(await store.accept(message), 'while it waits').toMatchObject({
    became: 'known',
    run: { id: run.id },
  });
  await store.step(run, 1);
  await store.end(run);
  expect(await store.accept(message), 'after the run has ended').toMatchObject({
    became: 'known',
    run: { id: run.id },
  });
});

test('the same words in two conversations are two runs', async () => {
  const [left, right] = [await store.accept(), await store.accept()];
  const next = { messageId: 'same', whenBusy: 'queue' } as const;
  const runs = await Promise.all(
    [left, right].map(({ run }) => store.accept({ ...next, conversationId: run.conversation_id })),
  );
  expect(runs.map(({ became }) => became)).toEqual(['parked', 'parked']);
});

test('one opening message sent eight times at once opens one conversation', async () => {
  // The losers of the race meet the unique index; whoever asks again, as the API does, is told the run.
  const accept = () =>
    store.accept({ messageId: 'raced' }).catch((error: unknown) => {
      expect(violatedConstraint(error)).toBe('runs_opening');
      return store.accept({ messageId: 'raced' });
    });
  const accepted = await Promise.all(Array.from({ length: 8 }, accept));
  expect(new Set(accepted.map(({ run }) => run.id)).size).toBe(1);
  expect(accepted.filter(({ became }) => became === 'started')).toHaveLength(1);
});

test('one message into a conversation sent eight times at once is one run', async () => {
  const { run } = await store.accept();
  await store.end(run, { status: 'cancelled', reason: 'cancelled' });
  const accepted = await Promise.all(
    Array.from({ length: 8 }, () =>
      store.accept({ conversationId: run.conversation_id, messageId: 'raced-2' }),
    ),
  );
  expect(new Set(accepted.map((each) => each.run.id)).size).toBe(1);
  expect(accepted.filter(({ became }) => became === 'started')).toHaveLength(1);
});

test('of fifty accepts that race for one conversation exactly one run becomes active', async () => {
  const { run } = await store.accept();
  await store.end(run, { status: 'cancelled', reason: 'cancelled' });
  const whenBusy = ['reject', 'queue', 'steer', 'interrupt', 'queue'] as const;
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      store
        .accept({
          conversationId: run.conversation_id,
          whenBusy: whenBusy[index % 5] ?? 'reject',
          messageId: `race ${index}`,
        })
        .then(
          ({ became }): string => became,
          (error: unknown): string => (error as Failure).code,
        ),
    ),
  );
  const count = (outcome: string) => outcomes.filter((each) => each === outcome).length;
  expect(count('started')).toBe(1);
  const winner = whenBusy[outcomes.indexOf('started') % 5];
  expect({
    refused: count('ConversationBusy'),
    steered: count('steered'),
    parked: count('parked'),
  }).toEqual({
    refused: winner === 'reject' ? 9 : 10,
    steered: winner === 'steer' ? 9 : 10,
    parked: winner === 'queue' || winner === 'interrupt' ? 29 : 30,
  });
  const active = await database.db
    .selectFrom('runs')
    .select('id')
    .where('conversation_id', '=', run.conversation_id)
    .where('parked', '=', false)
    .where('status', '=', 'queued')
    .execute();
  expect(active).toHaveLength(1);
  await expectWholeLog(store);
});

test.each(['queue', 'interrupt', 'steer', 'reject'] as const)(
  'a message on its way into the active run is known, and no run of its own, when it is sent with %s at once',
  async (whenBusy) => {
    const run = await store.started();
    const message = { messageId: `both-${whenBusy}`, by: 'test' };
    let sent: ReturnType<typeof store.accept> | undefined;
    await store.log.write('test', async (write) => {
      const locked = await lockedRun(write, run.id);
      await addInput(write, locked, { kind: 'steer', text: 'Be quick.', ...message });
      sent = store.accept({ conversationId: run.conversation_id, whenBusy, ...message });
      // It has the conversation, and waits for the run.
      await expect.poll(waitingForLocks).toBe(1);
    });
    expect(await sent).toMatchObject({ became: 'known', run: { id: run.id } });
    expect(await inputsOf(run.id)).toHaveLength(1);
  },
);

async function waitingForLocks(): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  );
  return rows[0]?.count ?? 0;
}

test('a new message goes on from the latest run that left a snapshot', async () => {
  const chain: (string | null)[] = [];
  const { run: first } = await store.accept();
  await store.begin(first);
  await store.end(first);
  const endings = [
    ['failed', 'model_failed'],
    ['interrupted', 'interrupted'],
    ['cancelled', 'cancelled'],
    ['timed_out', 'limit_seconds'],
    ['succeeded', 'finished'],
  ] as const;
  const ids = [first.id];
  for (const [status, reason] of endings) {
    const { run } = await store.accept({ conversationId: first.conversation_id });
    chain.push(run.parent_id);
    ids.push(run.id);
    await store.begin(run);
    await store.end(run, { status, reason });
  }
  const { run: last } = await store.accept({ conversationId: first.conversation_id });
  // The parents of: failed, interrupted, cancelled, timed out, succeeded, and one more.
  expect([...chain, last.parent_id]).toEqual([ids[0], ids[0], ids[2], ids[2], ids[4], ids[5]]);
});

test('a subagent neither makes its conversation busy nor is gone on from', async () => {
  const { run: main } = await store.accept();
  await store.begin(main);
  await store.end(main);
  const { run: child } = await store.accept({ conversationId: main.conversation_id });
  await database.db.updateTable('runs').set({ kind: 'subagent' }).where('id', '=', child.id).execute();
  const { run: next, became } = await store.accept({ conversationId: main.conversation_id });
  expect([became, next.parent_id]).toEqual(['started', main.id]);
  await store.begin(child);
  await store.end(child);
  await store.end(next, { status: 'cancelled', reason: 'cancelled' });
  expect((await store.accept({ conversationId: main.conversation_id })).run.parent_id).toBe(main.id);
});
