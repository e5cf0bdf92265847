// Forks, answers made anew and going on from earlier runs, by the command line against the real API.
import { expect, test } from 'vitest';
import { shortId as short } from '../../../../api/cli/terminal/short-id.ts';
import { storeOver } from '../../../support/store.ts';
import { startRun } from '../../stream/streams.ts';
import { startApi } from '../captured.ts';

async function talk() {
  const { api, call } = await startApi();
  const store = storeOver('', api.database, api.log);
  const succeed = async (id: string): Promise<void> => {
    const row = await store.run(id);
    await store.begin(row);
    await store.end(row);
  };
  const first = await startRun(api, { prompt: 'one', project: { path: '/srv/shop' } });
  await succeed(first.id);
  const second = await startRun(api, { prompt: 'two', conversationId: first.conversationId });
  await succeed(second.id);
  const started = async (...args: string[]) => {
    const called = call(...args, '--detach');
    expect([await called.code, called.err()]).toEqual([
      0,
      expect.stringMatching(/^Files stay as later runs left them; /),
    ]);
    return (await api.ask('GET', `/runs/${called.out().trim()}`)).json();
  };
  return { api, call, first, second, started, succeed };
}

test('fork begins a conversation from a run or from the end of one; regenerate and run --from stay in theirs', async () => {
  const { call, first, second, started, succeed } = await talk();
  const fork = await started('fork', short(first.id), 'instead', '--model', 'scripted/other', '--own-tree');
  expect(fork).toMatchObject({
    parentId: first.id,
    prompt: 'instead',
    model: 'scripted/other',
    workTree: 'own',
  });
  const whole = await started(
    'fork',
    `conversation/${first.conversationId}`,
    'on',
    '--metadata',
    'a=b',
    '--own-tree',
  );
  expect(whole).toMatchObject({ parentId: second.id, metadata: { a: 'b' }, attended: false });
  const anew = await started('regenerate', short(second.id), '--preset', 'none', '--attended');
  expect(anew).toMatchObject({ parentId: first.id, alternativeOf: second.id, prompt: 'two', attended: true });
  await succeed(anew.id);
  const shown = call('show', short(anew.id));
  expect([await shown.code, shown.out()]).toEqual([
    0,
    expect.stringContaining(`the message of run ${short(second.id)}`),
  ]);
  const of = short(first.conversationId);
  const back = await started('run', 'three', '--conversation', of, '--from', short(second.id));
  expect(back).toMatchObject({
    parentId: second.id,
    conversationId: first.conversationId,
    project: { path: '/srv/shop' },
  });
  const turns = call('conversations', 'turns', of);
  expect([await turns.code, turns.out().split('\n\n')]).toEqual([
    0,
    [
      `run ${short(first.id)} · succeeded\n  conversations that go on from here: ${short(fork.conversationId)}\n» one`,
      `run ${short(second.id)} · succeeded\n  the same message is answered by run ${short(anew.id)}\n  conversations that go on from here: ${short(whole.conversationId)}\n» two`,
      `run ${short(anew.id)} · succeeded\n  not in the context of the next message\n  the same message is answered by run ${short(second.id)}\n» two`,
      `run ${short(back.id)} · queued\n» three`,
      '',
    ],
  ]);
});

test('run --from without a conversation says what to do, and a refusal says nothing of files', async () => {
  const { call, first } = await talk();
  const called = call('run', 'x', '--from', short(first.id));
  expect([await called.code, called.err()]).toEqual([
    2,
    'perdure: --from goes with --conversation or --continue; `perdure fork` begins a conversation of its own from a run.\n',
  ]);
  const refused = call('regenerate', '--model', 'nobody/x', '--detach');
  expect([await refused.code, refused.err()]).toEqual([
    2,
    'perdure: No provider here has the model nobody/x; GET /api/v1/models lists the providers.\n',
  ]);
});
