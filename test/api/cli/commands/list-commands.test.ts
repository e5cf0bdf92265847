// What a person looks back with: lists, one run or conversation, ids as they are printed, and going on from there.
import { symlink } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { endRun } from '../../../../activities/store/lifecycle/end-run.ts';
import type { StartRunView } from '../../../../workflows/contracts/run.ts';
import { lockedRun } from '../../../support/store.ts';
import type { TestApp } from '../../../support/test-app.ts';
import { endOfRun, startRun } from '../../stream/streams.ts';
import { eventually, makeFolder, perdure, startApi } from '../captured.ts';
import { asks, waitingRun } from '../waiting.ts';

const short = (id: string | undefined): string => id?.slice(-8) ?? '';

/** The cells of each row of a table. */
const rowsOf = (text: string): string[][] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));

async function succeed(api: TestApp, id: string, finalMessage: string): Promise<void> {
  await api.log.write('test', async (write) => {
    await write.tx.updateTable('runs').set({ status: 'running' }).where('id', '=', id).execute();
    await endRun(write, await lockedRun(write, id), {
      status: 'succeeded',
      reason: 'finished',
      reasonText: '',
    });
    await write.tx.updateTable('runs').set({ final_message: finalMessage }).where('id', '=', id).execute();
  });
}

async function newest(api: TestApp): Promise<StartRunView & { prompt: string; project: unknown }> {
  return eventually(async () => (await api.ask('GET', '/runs?limit=1')).json().items[0]);
}

test('runs are listed by what they are asked for, newest first, and counted off', async () => {
  const { api, call } = await startApi();
  const folder = await makeFolder();
  const first = await startRun(api, {
    prompt: 'a \u001b[31mred\u001b[0m\nprompt',
    project: { path: folder },
  });
  await endOfRun(api, first);
  const second = await startRun(api, { prompt: 'second' });
  const listed = async (...options: string[]): Promise<string[]> => {
    const called = call('runs', ...options);
    expect([await called.code, called.err()]).toEqual([0, '']);
    return rowsOf(called.out())
      .slice(1)
      .map(([id = '']) => id);
  };
  const all = call('runs');
  expect(await all.code).toBe(0);
  expect(rowsOf(all.out())).toEqual([
    ['RUN', 'AGE', 'STATUS', 'MODEL', 'PROJECT', 'PROMPT'],
    [short(second.id), expect.stringMatching(/^\d+ s$/), 'queued', 'scripted/hello', '-', 'second'],
    [short(first.id), expect.stringMatching(/^\d+ s$/), 'failed', 'scripted/hello', folder, 'a red prompt'],
  ]);
  expect(await listed('--active')).toEqual([short(second.id)]);
  expect(await listed('--status', 'failed')).toEqual([short(first.id)]);
  expect(await listed('--project', folder)).toEqual([short(first.id)]);
  expect(await listed('--conversation', short(second.conversationId))).toEqual([short(second.id)]);
  const one = call('runs', '--limit', '1', '--json');
  expect(await one.code).toBe(0);
  const page = (await api.ask('GET', '/runs?limit=1')).json();
  expect(JSON.parse(one.out())).toEqual(page);
  const cut = call('runs', '--limit', '1');
  expect([await cut.code, cut.err()]).toEqual([0, 'There are more; these are the newest 1: see --limit.\n']);
});

test('show tells of a run what it was told, what it did, what was denied and what it answered', async () => {
  const { api, environment } = await startApi();
  const waiting = await waitingRun(api, [asks('make')]);
  await api.ask('POST', `/approvals/${waiting.approvals[0]?.id}/deny`, { note: 'not now' });
  await waiting.store.end(waiting.row);
  await api.log.db
    .updateTable('runs')
    .set({ final_message: '**Done**: nothing was made.' })
    .where('id', '=', waiting.id)
    .execute();
  const piped = perdure(['show', short(waiting.id)], { environment });
  expect([await piped.code, piped.err()]).toEqual([0, '']);
  const { createdAt, conversationId, costMicros } = (await api.ask('GET', `/runs/${waiting.id}`)).json();
  expect(costMicros).toBe(7);
  const text = piped
    .out()
    .replaceAll(createdAt, 'AT')
    .replaceAll(/\d+ s ago|\d+\.\d s/g, 'TIME')
    .replaceAll(waiting.id, 'RUN-ID')
    .replaceAll(conversationId, 'CONVERSATION-ID')
    .replaceAll(short(waiting.id), 'RUN')
    .replaceAll(short(conversationId), 'CONVERSATION');
  expect(text).toMatchInlineSnapshot(`
    "run           RUN RUN-ID
    conversation  CONVERSATION CONVERSATION-ID
    status        succeeded
    accepted      AT (TIME)
    project       none: a scratch folder of its own
    model         scripted/hello
    policy        trusted-mount-autonomous
    limits        200 steps, 1 h 0 min, $50.00, 50,000,000 tokens
    priority      normal
    attended      yes: what policy asks about waits for a person
    took          TIME
    steps         1
    tokens        10 in (4 of them cached), 5 out
    money         $0.000007

    Prompt
    Say hello.

    Calls
    CALL  TOOL   STATUS  TOOK  WHAT
    1.0   shell  denied  -     make

    1 call denied
    CALL  WHAT        WHY
    1.0   shell make  Denied by first (api): not now

    Answer
    **Done**: nothing was made.
    "
  `);
  const one = {
    host: 'site.test',
    port: 443,
    connections: 2,
    sentBytes: 1234,
    receivedBytes: 56_789,
    refusals: 0,
  };
  const none = { host: 'other.test', port: 80, connections: 0, sentBytes: 0, receivedBytes: 0, refusals: 1 };
  const network = [
    { ...one, problem: null },
    { ...none, problem: 'other.test was not granted' },
  ];
  const ofRun = api.log.db.updateTable('calls').where('run_id', '=', waiting.id);
  await ofRun.set({ network: JSON.stringify(network) }).execute();
  const reached = perdure(['show', waiting.id], { environment });
  expect(await reached.code).toBe(0);
  expect(reached.out()).toContain(
    [
      'Network',
      'CALL  HOST           CONNECTIONS  BYTES SENT  RECEIVED  NOT REACHED',
      '1.0   site.test:443  2            1,234       56,789    -',
      '1.0   other.test:80  0            0           0         other.test was not granted',
    ].join('\n'),
  );
  const narrow = perdure(['show', waiting.id], { environment, isTerminal: true, columns: 50 });
  expect(await narrow.code).toBe(0);
  expect(narrow.out()).toContain('\u001b[1mDone\u001b[22m: nothing was made.\n');
  const json = perdure(['show', 'last', '--json'], { environment });
  expect(await json.code).toBe(0);
  const run = (await api.ask('GET', `/runs/${waiting.id}`)).json();
  const calls = (await api.ask('GET', `/runs/${waiting.id}/calls`)).json();
  expect(JSON.parse(json.out())).toEqual({ ...run, calls, children: [] });
});

test('a conversation is listed, and shown with what was asked and answered', async () => {
  const { api, call } = await startApi();
  const first = await startRun(api, { prompt: 'Repair the cart' });
  await succeed(api, first.id, 'It is repaired.');
  const next = await startRun(api, { prompt: 'And now?', conversationId: first.conversationId });
  const list = call('conversations');
  expect(await list.code).toBe(0);
  expect(rowsOf(list.out()).slice(1)).toEqual([
    [short(first.conversationId), expect.stringMatching(/ ago$/), short(next.id), 'Repair the cart'],
  ]);
  const shown = call('show', short(first.conversationId));
  expect([await shown.code, shown.err()]).toEqual([0, '']);
  const [, ...said] = shown.out().split('\n\n');
  expect(said.map((part) => part.replaceAll(/ · \d+ s ago/g, ''))).toEqual([
    `run ${short(first.id)} · succeeded · scripted/hello\n» Repair the cart\nIt is repaired.`,
    `run ${short(next.id)} · queued · scripted/hello\n» And now?\n`,
  ]);
});

test('the turns of a conversation are read in order; its title, labels, settings and place are changed', async () => {
  const { api, call } = await startApi();
  const first = await startRun(api, { prompt: 'Repair the cart' });
  await succeed(api, first.id, 'It is repaired.');
  await startRun(api, { prompt: 'And now?', conversationId: first.conversationId });
  const done = async (...args: string[]): Promise<string> => {
    const called = call('conversations', ...args);
    expect([await called.code, called.err()]).toEqual([0, '']);
    return called.out();
  };
  const of = short(first.conversationId);
  const said = (await done('turns', of)).trimEnd().split('\n\n');
  expect(said.map((turn) => turn.split('\n').slice(1).join('|'))).toEqual([
    '» Repair the cart|It is repaired.',
    '» And now?',
  ]);
  expect(
    await done('change', of, '--title', 'The cart', '--metadata', 'ticket=12', '--model', 'scripted/slow'),
  ).toBe(`${of} The cart\n  labels: ticket=12\n  its next runs: model scripted/slow\n`);
  expect(await done('list', '--metadata', 'ticket=12')).toContain(' The cart');
  const rest = ['--without-metadata', 'ticket', '--preset', 'none', '--archive'];
  expect(await done('change', of, ...rest)).toBe(
    `${of} The cart (archived)\n  its next runs: preset none, model scripted/slow\n`,
  );
  expect([await done(), await done('list', '--archived')]).toEqual([
    'There are none.\n',
    expect.stringContaining(' The cart'),
  ]);
  expect(await done('change', of, '--no-archive', '--clear-settings')).toBe(`${of} The cart\n`);
});

test('letters that mean more than one are answered with the candidates, and those of none with a sentence', async () => {
  const { api, call } = await startApi();
  const { approvals } = await waitingRun(api, [asks('make'), asks('make install')]);
  const [one, other] = approvals.map(({ id }) => id);
  const several = call('deny', 'last');
  expect([await several.code, several.out()]).toEqual([2, '']);
  const [sentence, ...table] = several.err().split('\n');
  expect(sentence).toBe('perdure: More than one is open; say which approval:');
  expect(rowsOf(table.join('\n')).map(([id]) => id)).toEqual(['ID', short(other), short(one)]);
  const denied = call('deny', short(one).slice(0, 6));
  expect([await denied.code, denied.out()]).toEqual([0, 'denied: make\n']);
  const last = call('deny', 'last');
  expect([await last.code, last.out()]).toEqual([0, 'denied: make install\n']);
  const none = call('approve', 'last');
  expect([await none.code, none.err()]).toEqual([1, 'perdure: There is no open approval yet.\n']);
  const ofStream = call('diff', 'run/ffffffff-ffff-7fff-8fff-ffffffffffff');
  expect([await ofStream.code, ofStream.err()]).toEqual([1, expect.stringMatching(/^perdure: .*no run/)]);
  const unknown = call('diff', 'ffffffff');
  expect([await unknown.code, unknown.err()]).toEqual([
    1,
    'perdure: There is no run ffffffff among the newest; `perdure runs` lists them, and --json has whole ids.\n',
  ]);
  const word = call('watch', 'nonsense');
  expect([await word.code, word.err()]).toEqual([
    2,
    'perdure: "nonsense" is no id: give it as it is printed, four or more of its first letters, or last.\n',
  ]);
});

test('--continue goes on with the latest conversation of this directory, or of all', async () => {
  const { api, environment } = await startApi();
  const folder = await makeFolder();
  const here = await startRun(api, { prompt: 'here', project: { path: folder } });
  await endOfRun(api, here);
  const elsewhere = await startRun(api, { prompt: 'elsewhere' });
  await endOfRun(api, elsewhere);
  const go = (...options: string[]) =>
    perdure(['run', 'go on', '--continue', '--detach', ...options], { environment, folder });
  const called = go();
  expect(await called.code).toBe(0);
  expect(called.err()).toMatch(
    new RegExp(`^Continuing conversation ${short(here.conversationId)} of \\d+ s ago: here\n$`),
  );
  const run = await newest(api);
  expect(called.out()).toBe(`${run.id}\n`);
  expect([run.conversationId, run.prompt]).toEqual([here.conversationId, 'go on']);
  await endOfRun(api, run);
  const last = await startRun(api, { prompt: 'again', conversationId: elsewhere.conversationId });
  await endOfRun(api, last);
  const all = go('--project', 'none');
  expect(await all.code).toBe(0);
  expect((await newest(api)).conversationId).toBe(elsewhere.conversationId);
  await endOfRun(api, await newest(api));
  // By a link it is the same directory.
  const link = path.join(await makeFolder(), 'link');
  await symlink(folder, link);
  const linked = go('--project', link);
  expect(await linked.code).toBe(0);
  expect((await newest(api)).conversationId).toBe(here.conversationId);
  const empty = await makeFolder();
  const none = go('--project', empty);
  expect([await none.code, none.out(), none.err()]).toEqual([
    2,
    '',
    `perdure: No run has worked in exactly ${empty} yet: leave --continue out, name another directory with --project, or go on with the latest conversation of all by --project none.\n`,
  ]);
});
