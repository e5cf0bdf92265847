// Subagents as people see them: below the run that asked for them, and in no list of what they themselves have started.
import { expect, test } from 'vitest';
import { RunListView, RunView } from '../../../../workflows/contracts/run.ts';
import { delegated, delegatingRun, aDelegation } from '../../../support/delegating.ts';
import { storeOver } from '../../../support/store.ts';
import { perdure, startApi } from '../captured.ts';

test('a run shows its subagents as a tree, and each of them what it is to it', async () => {
  const { api, environment } = await startApi();
  const store = storeOver('', api.database, api.log);
  const { parent, child } = await delegatingRun(store);
  await store.begin(child);
  await store.step(child, 1, { calls: [aDelegation('1.0', 'async', { prompt: 'Deeper.', name: 'deep' })] });
  const { child: deep } = await delegated(store, child, '1.0', 'async');
  if (!deep) throw new Error('There is no subagent.');
  const view = async (id: string) => RunView.parse((await api.ask('GET', `/runs/${id}`)).json());
  const below = async (id: string) => (await api.ask('GET', `/runs/${id}/children`)).json().items;
  const outer = {
    ...{ runId: parent.id, rootId: parent.id, callId: '1.0', name: 'agent-1.0' },
    ...{ depth: 1, async: false, state: 'working' },
  };
  const inner = { ...outer, runId: child.id, name: 'deep', depth: 2, async: true };
  expect(await view(parent.id)).toMatchObject({
    ...{ status: 'waiting_workers', delegation: null, subagents: 1 },
  });
  expect(await view(child.id)).toMatchObject({ delegation: outer, subagents: 1 });
  expect(await below(parent.id)).toEqual([await view(child.id), await view(deep.id)]);
  expect(await below(child.id)).toEqual([await view(deep.id)]);
  expect((await below(child.id))[0].delegation).toEqual(inner);
  expect(await below(deep.id)).toEqual([]);
  expect((await api.ask('GET', `/runs/${parent.conversation_id}/children`)).statusCode).toBe(404);
  const shown = perdure(['show', 'last'], { environment });
  expect([await shown.code, shown.err()]).toEqual([0, '']);
  expect(shown.out().slice(shown.out().indexOf('Subagents'), shown.out().indexOf('Subagents') + 400)).toBe(
    [
      'Subagents',
      'NAME       STATUS   STEPS  MONEY      RUN',
      `agent-1.0  running  1      $0.000007  ${child.id.slice(-8)}`,
      `· deep     queued   0      $0         ${deep.id.slice(-8)}`,
      '',
    ].join('\n'),
  );
});

test('lists of runs have main runs alone unless they are asked for all', async () => {
  const { api } = await startApi();
  const { parent, child } = await delegatingRun(storeOver('', api.database, api.log));
  const ids = async (path: string) =>
    RunListView.parse((await api.ask('GET', path)).json()).items.map(({ id }) => id);
  expect(await ids('/runs')).toEqual([parent.id]);
  expect(await ids('/runs?subagents=true')).toEqual([child.id, parent.id]);
  const conversation = (await api.ask('GET', `/conversations/${parent.conversation_id}`)).json();
  expect(conversation.runs.map(({ id }: { id: string }) => id)).toEqual([parent.id]);
});
