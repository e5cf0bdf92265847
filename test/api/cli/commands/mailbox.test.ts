// The mailbox as people see it, and how a conversation goes on with it: by request, and by itself.
import { expect, test } from 'vitest';
import { createWakeUpChore } from '../../../../api/upkeep/wake-up-chore.ts';
import { ConversationDetailView } from '../../../../workflows/contracts/conversation.ts';
import { MailboxView } from '../../../../workflows/contracts/mailbox.ts';
import { RunView } from '../../../../workflows/contracts/run.ts';
import { askingRun, reports } from '../../../support/delegating.ts';
import { storeOver } from '../../../support/store.ts';
import type { TestApp } from '../../../support/test-app.ts';
import { perdure, startApi } from '../captured.ts';

const interrupted = { status: 'interrupted', reason: 'interrupted' } as const;

async function conversationOf(api: TestApp, id: string): Promise<ConversationDetailView> {
  return ConversationDetailView.parse((await api.ask('GET', `/conversations/${id}`)).json());
}

test('what subagents report to nobody is listed, counted, and told to one run by fire', async () => {
  const { api, environment } = await startApi();
  const store = storeOver('', api.database, api.log);
  const { parent, children } = await askingRun(store, 3);
  const [one, two, three] = children;
  if (!one || !two || !three) throw new Error('There are too few subagents.');
  await store.end(parent, interrupted);
  await reports(store, two, 'Second.');
  await reports(store, one, 'First.');
  const { conversation_id: id } = parent;
  expect(await conversationOf(api, id)).toMatchObject({ pendingMailbox: 2, wakeUp: null, wakeAt: null });
  const mailbox = perdure(['mailbox', 'last'], { environment });
  expect([await mailbox.code, mailbox.err()]).toEqual([0, '']);
  expect(mailbox.out()).toMatch(
    /^RUN +NAME +CALL +STATUS +REPORT +WHEN +SAID *\n\S+ +part-0 +1\.0 +succeeded +pending +\d+ s ago +First\.\n\S+ +part-1 +1\.1 +succeeded +pending +\d+ s ago +Second\.\n$/,
  );
  const page = MailboxView.parse((await api.ask('GET', `/conversations/${id}/mailbox?limit=1`)).json());
  const next = `/conversations/${id}/mailbox?limit=1&cursor=${page.nextCursor}`;
  const rest = MailboxView.parse((await api.ask('GET', next)).json());
  expect([...page.items, ...rest.items].map(({ runId, text }) => [runId, text])).toEqual([
    [one.id, 'First.'],
    [two.id, 'Second.'],
  ]);
  const fire = perdure(['fire', 'last', 'Fix it.', '--detach'], { environment });
  expect([await fire.code, fire.err()]).toEqual([0, '']);
  const run = RunView.parse((await api.ask('GET', `/runs/${fire.out().trim()}`)).json());
  expect(run).toMatchObject({ prompt: 'Fix it.', parentId: parent.id, status: 'queued' });
  expect(api.told.at(-1)).toBe(`started ${run.id}`);
  const told = (await api.ask('GET', `/conversations/${id}/mailbox?pending=false`)).json<MailboxView>();
  expect(told.items.map(({ deliveredTo, state }) => [deliveredTo, state])).toEqual([
    [run.id, 'delivered'],
    [run.id, 'delivered'],
  ]);
  const again = await api.ask('POST', `/conversations/${id}/fire`);
  expect([again.statusCode, again.json()]).toMatchObject([
    409,
    { code: 'ConversationBusy', activeRunId: run.id },
  ]);
  await store.end(await store.run(run.id), interrupted);
  const empty = await api.ask('POST', `/conversations/${id}/fire`, {});
  expect([empty.statusCode, empty.json()]).toMatchObject([422, { code: 'MailboxEmpty', lastRunId: run.id }]);
});

test('a conversation that says so goes on by itself, and not again while that is refused', async () => {
  const { api, environment } = await startApi();
  const store = storeOver('', api.database, api.log);
  const { parent, children } = await askingRun(store, 1);
  const { conversation_id: id } = parent;
  const change = perdure(
    ['conversations', 'change', id, '--wake-up', 'auto', '--wake-up-seconds', '90', '--model', 'other/model'],
    { environment },
  );
  // No provider has that model.
  expect([await change.code, change.err()]).toEqual([2, expect.stringContaining('other/model')]);
  const right = perdure(['conversations', 'change', id, '--wake-up', 'auto', '--wake-up-seconds', '90'], {
    environment,
  });
  expect([await right.code, right.out()]).toEqual([
    0,
    expect.stringContaining('wakes up: auto, within 90 seconds'),
  ]);
  await store.end(parent);
  const { wakeAt } = await conversationOf(api, id);
  const seconds = (Date.parse(wakeAt ?? '') - Date.now()) / 1000;
  expect([seconds > 60, seconds <= 90]).toEqual([true, true]);
  const [child] = children;
  if (!child) throw new Error('There is no subagent.');
  await reports(store, child, 'Done.');
  let full: string | undefined = 'The disk is full.';
  const parts = { ...api.deps, diskProblem: () => full };
  const chore = createWakeUpChore({ parts, logger: api.deps.logger });
  await chore.act();
  expect((await conversationOf(api, id)).activeRunId).toBeNull();
  expect(JSON.stringify(api.lines)).toContain(
    'the conversation does not go on by itself yet: The disk is full.',
  );
  full = undefined;
  // Not before a minute is over, or a person has looked after it.
  await chore.act();
  expect((await conversationOf(api, id)).activeRunId).toBeNull();
  expect((await api.ask('PATCH', `/conversations/${id}`, { wakeUp: 'auto' })).statusCode).toBe(200);
  await Promise.all([chore.act(), chore.act()]);
  const { activeRun, pendingMailbox } = await conversationOf(api, id);
  expect([activeRun?.prompt, activeRun?.parentId, pendingMailbox]).toEqual([
    'Go on with what your subagents report.',
    parent.id,
    0,
  ]);
  expect(api.told.filter((line) => line.startsWith('started'))).toEqual([`started ${activeRun?.id}`]);
});

test('a message may say how its conversation wakes up', async () => {
  const { api } = await startApi();
  const { conversationId } = (await api.ask('POST', '/runs', { prompt: 'Go.', wakeUp: 'manual' })).json();
  expect((await conversationOf(api, conversationId)).wakeUp).toBe('manual');
  const path = `/conversations/${conversationId}`;
  await api.ask('POST', `${path}/messages`, { prompt: 'On.', whenBusy: 'queue', wakeUp: 'auto' });
  expect((await conversationOf(api, conversationId)).wakeUp).toBe('auto');
  await api.ask('POST', `${path}/messages`, { prompt: 'On.', whenBusy: 'queue' });
  expect((await conversationOf(api, conversationId)).wakeUp).toBe('auto');
  await api.ask('PATCH', path, { wakeUp: null });
  expect((await conversationOf(api, conversationId)).wakeUp).toBeNull();
});
