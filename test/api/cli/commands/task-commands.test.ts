// `perdure task` and `perdure executors` against the real API.
import { expect, test } from 'vitest';
import { startApi } from '../captured.ts';

test('a task is added, listed, looked at, followed and cancelled, and executors are listed', async () => {
  const { api, call } = await startApi();
  const does = async (...words: string[]): Promise<[number, string[], string]> => {
    const called = call(...words);
    return [await called.code, called.out().trimEnd().split('\n'), called.err()];
  };
  const cells = (line: string): string[] => line.trim().split(/ {2,}/);
  expect(await does('task')).toEqual([0, ['There are none; `perdure task add` makes one.'], '']);
  const wanted = ['--priority', 'high', '--label', 'gpu', '--file', 'cart.ts', '--project', 'none'];
  const added = await does('task', 'add', 'Mend it', 'Round once.', ...wanted);
  const [task] = (await api.ask('GET', '/tasks')).json().items;
  const short = task.id.slice(-8);
  expect(added).toEqual([0, [`task ${short} is pending`], '']);
  expect(task).toMatchObject({
    priority: 'high',
    labels: ['gpu'],
    files: ['cart.ts'],
    run: { project: null },
  });
  await does('task', 'add', 'Then', 'Go on.', '--depends-on', short, '--project', 'none');
  const [, [, second = '', first = '']] = await does('task', 'list');
  expect([second, first].map((line) => cells(line).slice(2, 5))).toEqual([
    ['blocked', 'normal', 'Then'],
    ['pending', 'high', 'Mend it'],
  ]);
  await api.ask('POST', '/workspaces', { id: 'shop', projects: [{ path: '/srv/shop' }] });
  await does('task', 'add', 'In it', 'Go on.', '--workspace', 'shop');
  const [inShop] = (await api.ask('GET', '/tasks')).json().items;
  expect(inShop.run).toEqual({ workspace: 'shop' });
  await does('task', 'cancel', inShop.id.slice(-8));
  expect(await does('executors')).toEqual([0, ['There are none: no worker runs.'], '']);
  const agent = (
    await api.ask('POST', '/executors', { name: 'box', capabilities: ['gpu'], places: 2 })
  ).json();
  await api.ask('POST', `/tasks/${task.id}/claim`, { executorId: agent.id });
  const [, [, executor = '']] = await does('executors');
  expect(cells(executor).slice(0, 6)).toEqual([agent.id.slice(-8), 'box', 'agent', 'busy', '1/2', 'gpu']);
  const [, [, ...lines]] = await does('task', 'show', short);
  expect(lines.slice(0, 2)).toEqual(['Mend it', 'labels: gpu']);
  expect(cells(lines.at(-1) ?? '')).toMatchObject(['1', 'box', '-', expect.any(String), 'at work', '-']);
  expect(await does('task', 'cancel', short)).toEqual([0, [`${short} is cancelled`], '']);
  expect(await does('task', 'logs', short)).toEqual([
    1,
    [
      `— task ${short} · Mend it · pending · high priority · for gpu`,
      '— box has it',
      expect.stringMatching(/^cancelled · Cancelled by first \(cli\)\.$/),
    ],
    '',
  ]);
  const [, status] = await does('status', '--json');
  expect(JSON.parse(status.join(''))).toMatchObject({
    tasks: { pending: 0, blocked: 0, inProgress: 0 },
    executors: [{ name: 'box', load: 0 }],
    allowances: [{ name: 'tenant' }],
  });
});
