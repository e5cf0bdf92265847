// `perdure schedule` against the real API.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startApi } from '../captured.ts';

test('a schedule is added, listed, looked at, started, switched and deleted by its name', async () => {
  const { api, call } = await startApi();
  const does = async (...words: string[]): Promise<[number, string[], string]> => {
    const called = call('schedule', ...words);
    return [await called.code, called.out().trimEnd().split('\n'), called.err()];
  };
  const cells = (line: string): string[] => line.trim().split(/ {2,}/);
  expect(await does()).toEqual([0, ['There are no schedules; `perdure schedule add` makes one.'], '']);
  const when = ['--cron', '30 2 * * 1-5', '--time-zone', 'Europe/Berlin'];
  const limits = [
    '--limit-cost',
    '0.50',
    '--limit-seconds',
    '600',
    '--overlap',
    'queue-one',
    '--attempts',
    '3',
  ];
  expect(await does('add', 'nightly', 'Run the tests.')).toEqual([
    ...[2, [''], expect.stringContaining('perdure: Say when it is due: --cron ')],
  ]);
  const added = await does('add', 'nightly', 'Run the tests.', ...when, ...limits, '--project', 'none');
  expect(added).toEqual([
    0,
    [
      expect.stringMatching(
        /^nightly: At 02:30, Monday through Friday \(Europe\/Berlin\); next at \d{4}-.*Z$/,
      ),
    ],
    '',
  ]);
  const [kept] = (await api.ask('GET', '/schedules')).json().items;
  expect(kept).toMatchObject({
    overlap: 'queue-one',
    attempts: 3,
    run: { prompt: 'Run the tests.', project: null, limits: { costMicros: 500_000, seconds: 600 } },
  });
  const [, [header = '', row = '']] = await does('list');
  expect([cells(header), cells(row)]).toEqual([
    ['NAME', 'WHEN', 'NEXT (UTC)', 'OVERLAP', 'FROM'],
    [
      'nightly',
      'At 02:30, Monday through Friday (Europe/Berlin)',
      kept.nextDueAt,
      'queue-one',
      'first (cli)',
    ],
  ]);
  const [, next] = await does('next', 'nightly');
  expect([next.length, next[0], cells(next[2] ?? '')]).toEqual([
    12,
    'At 02:30, Monday through Friday (Europe/Berlin)',
    [kept.nextDueAt, expect.stringMatching(/^(Mon|Tue|Wed|Thu|Fri) \d{4}-\d\d-\d\d 02:30$/)],
  ]);
  expect(await does('run', 'nightly', '--dry-run')).toEqual([
    0,
    ['Would start nightly with scripted/hello and headless-safe-sandbox in a scratch folder'],
    '',
  ]);
  expect((await does('run', 'nightly'))[1]).toEqual([
    'Started nightly with scripted/hello and headless-safe-sandbox in a scratch folder',
  ]);
  const [, [, first = '']] = await does('history', 'nightly');
  expect(cells(first)).toEqual([expect.stringMatching(/Z$/), 'waiting, by hand', '0', '-', '-']);
  expect((await does('run', 'nightly'))[1]).toEqual([
    expect.stringMatching(/^nightly is waiting: Waits for the one due at .*Z to end\.$/),
  ]);
  expect((await does('disable', 'nightly'))[1]).toEqual(['nightly is off']);
  expect((await does('enable', 'nightly'))[1]).toEqual([`nightly is on, next at ${kept.nextDueAt}`]);
  const projects = [{ path: '/srv/shop' }, { path: '/srv/library' }];
  await api.ask('POST', '/workspaces', { id: 'shop', projects });
  await does('add', 'in-shop', 'Mend it.', '--every', '3600', '--workspace', 'shop');
  expect((await does('run', 'in-shop', '--dry-run'))[1]).toEqual([
    'Would start in-shop with scripted/hello and headless-safe-sandbox in /srv/shop',
  ]);
  expect((await does('delete', 'nightly'))[1]).toEqual(['nightly is deleted']);
  expect(await does('history', 'nightly')).toEqual([
    2,
    [''],
    'perdure: There is no schedule called nightly; `perdure schedule list` lists them.\n',
  ]);
});

test('a manifest is synced from a file, and what is wrong with it is told with its line', async () => {
  const { api, call } = await startApi();
  const file = path.join(api.deps.uiFolder, 'schedules.yaml');
  await writeFile(file, 'schedules:\n  - name: tests\n    everySeconds: 3600\n    run: { prompt: Go. }\n');
  const synced = call('schedule', 'sync', file);
  expect([await synced.code, synced.out()]).toEqual([0, 'added tests\n0 unchanged\n']);
  const json = call('schedule', 'sync', file, '--json');
  expect([await json.code, JSON.parse(json.out())]).toEqual([
    0,
    { added: [], changed: [], removed: [], unchanged: 1 },
  ]);
  await writeFile(file, 'schedules:\n  - name: tests\n    everySeconds: 1\n    run: { prompt: Go. }\n');
  const broken = call('schedule', 'sync', file);
  expect([await broken.code, broken.err()]).toEqual([
    2,
    expect.stringMatching(/^perdure: Line 3: schedules\.0\.everySeconds: Too small/),
  ]);
  const missing = call('schedule', 'sync', `${file}.none`);
  expect([await missing.code, missing.err()]).toEqual([
    2,
    `perdure: ${file}.none cannot be read (ENOENT).\n`,
  ]);
});
