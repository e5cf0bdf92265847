// Schedules as a file: what it adds, changes and takes away, and what of it is refused.
import { appendFileSync, utimesSync } from 'node:fs';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openDue } from '../../activities/store/schedules/due.ts';
import { lockSchedule } from '../../activities/store/schedules/schedules.ts';
import { readManifest } from '../../api/schedule-manifest.ts';
import { createManifestChore } from '../../api/upkeep/manifest-chore.ts';
import { createManifest } from '../../worker/processes/manifest.ts';
import { ScheduleDefinition } from '../../workflows/contracts/schedule.ts';
import { dueTimes } from '../../workflows/schedule/due-times.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';

const run = { prompt: 'Run the tests.', project: null };
const nightly = { name: 'nightly', cron: '30 2 * * *', timeZone: 'Europe/Berlin', run };

async function asked(api: TestApp, ...request: Parameters<TestApp['ask']>) {
  const { statusCode, payload } = await api.ask(...request);
  return [statusCode, payload === '' ? undefined : JSON.parse(payload)] as const;
}

const manifest = `schedules:
  - name: tests
    cron: "30 2 * * *"
    run:
      prompt: Run the tests.
  - name: report
    everySeconds: 3600
    run:
      prompt: Write the report.
`;

test('a manifest adds, changes and removes its own schedules, and leaves the others alone', async () => {
  const api = await createTestApp();
  await asked(api, 'POST', '/schedules', nightly);
  const sync = (text: string) => asked(api, 'POST', '/schedules/sync', { manifest: text });
  expect(await sync(manifest)).toEqual([
    200,
    { added: ['tests', 'report'], changed: [], removed: [], unchanged: 0 },
  ]);
  const [, before] = await asked(api, 'GET', '/schedules');
  expect(await sync(manifest)).toEqual([200, { added: [], changed: [], removed: [], unchanged: 2 }]);
  expect((await asked(api, 'GET', '/schedules'))[1]).toEqual(before);
  const [, , report] = before.items;
  const run_ = manifest.replace('Write the report.', 'Write it.');
  expect((await sync(run_))[1].changed).toEqual(['report']);
  // By hand only the switch, which holds until the manifest says something else of it.
  const path = `/schedules/${report.id}`;
  expect((await asked(api, 'PUT', path, { ...nightly, name: 'report', version: 2 }))[0]).toBe(409);
  expect((await asked(api, 'DELETE', path))[1].code).toBe('ScheduleFromManifest');
  expect((await asked(api, 'POST', `${path}/disable`))[1].enabled).toBe(false);
  expect((await sync(run_))[1].unchanged).toBe(2);
  expect((await asked(api, 'GET', path))[1].enabled).toBe(false);
  const short = manifest.slice(0, manifest.indexOf('  - name: report'));
  expect(await sync(short)).toEqual([200, { added: [], changed: [], removed: ['report'], unchanged: 1 }]);
  const [, left] = await asked(api, 'GET', '/schedules');
  expect(left.items).toEqual(before.items.slice(0, 2));
});

const every = 'everySeconds: 3600';
const edits: Record<keyof ScheduleDefinition, [what: string, instead: string]> = {
  name: ['name: report', 'name: weekly-report'],
  cron: [every, 'cron: "5 * * * *"'],
  everySeconds: [every, 'everySeconds: 60'],
  timeZone: [every, `${every}\n    timeZone: Europe/Berlin`],
  jitterSeconds: [every, `${every}\n    jitterSeconds: 5`],
  overlap: [every, `${every}\n    overlap: allow`],
  catchUpSeconds: [every, `${every}\n    catchUpSeconds: 0`],
  attempts: [every, `${every}\n    attempts: 2`],
  enabled: [every, `${every}\n    enabled: false`],
  run: ['Write the report.', 'Write it.'],
  job: ['run:\n      prompt: Write the report.', 'job: prune'],
};

test('whichever field a manifest is edited in, what was due until then is in the ledger once', async () => {
  const api = await createTestApp();
  const { pool } = api.database;
  // The clock stands, half an hour after a full one: what has just become due may begin, and is not skipped.
  const hourMs = 3_600_000;
  const now = new Date((Math.floor(Date.now() / hourMs) - 0.5) * hourMs);
  vi.useFakeTimers({ toFake: ['Date'], now });
  onTestFinished(() => void vi.useRealTimers());
  const sync = (text: string) => asked(api, 'POST', '/schedules/sync', { manifest: text });
  await sync(manifest);
  expect(Object.keys(edits).toSorted()).toEqual(Object.keys(ScheduleDefinition.shape).toSorted());
  for (const [field, [what, instead]] of Object.entries(edits)) {
    const known = await pool.query(
      `update schedules set settled_until = $1 where name = 'report' and deleted_at is null
       returning id, settled_until, definition`,
      [new Date(now.getTime() - 3 * hourMs)],
    );
    const [{ id, settled_until: since, definition }] = known.rows;
    await pool.query('delete from occurrences');
    const [, told] = await sync(manifest.replace(what, instead));
    expect([field, told]).toEqual([
      field,
      field === 'name'
        ? { added: ['weekly-report'], changed: [], removed: ['report'], unchanged: 1 }
        : { added: [], changed: ['report'], removed: [], unchanged: 1 },
    ]);
    // Where it is due as before, what was due may still begin: the next look makes occurrences of it.
    await api.log.write('test', async (write) => {
      const row = await lockSchedule(write, api.tenantId, id);
      if (row) await openDue(write, row, now);
    });
    const { rows } = await pool.query(
      'select due_at as at, outcome from occurrences where schedule_id = $1 order by due_at limit 3',
      [id],
    );
    const due = dueTimes(definition, since, now, 3);
    const begins = ['jitterSeconds', 'overlap', 'attempts', 'run', 'job'].includes(field);
    const outcomes = ['skipped', 'skipped', begins ? 'waiting' : 'skipped'];
    expect([field, rows]).toEqual([field, due.map((at, index) => ({ at, outcome: outcomes[index] }))]);
    await sync(manifest);
  }
});

test.each([
  ['schedules: [', /^Line 1: this is not YAML: /],
  [manifest.replace('cron: "30 2 * * *"', 'cron: "30 2 * *"'), /^Line 3: tests: cron has five fields/],
  [manifest.replace('name: report', 'name: tests'), /^Line 6: two schedules are called tests\.$/],
  [
    manifest.replace('everySeconds: 3600', 'every: 3600'),
    /^Line 7: schedules\.1 has no "every"; there are name, cron, /,
  ],
  [
    `${manifest}      model: nowhere/model\n`,
    /^Line 9: report: No provider here has the model nowhere\/model; /,
  ],
  [
    manifest.replace('name: report', 'name: nightly'),
    /^Line 6: There is a schedule called nightly that no manifest made/,
  ],
])('a broken manifest changes nothing and names the line: %#', async (text, says) => {
  const api = await createTestApp();
  await asked(api, 'POST', '/schedules', nightly);
  await asked(api, 'POST', '/schedules/sync', { manifest });
  const [, before] = await asked(api, 'GET', '/schedules');
  expect(await asked(api, 'POST', '/schedules/sync', { manifest: text })).toMatchObject([
    400,
    { code: 'InvalidInput', detail: expect.stringMatching(says) },
  ]);
  expect((await asked(api, 'GET', '/schedules'))[1]).toEqual(before);
});

// What a slip of the hand does to a line.
const slips: ((line: string) => string)[] = [
  () => '',
  (line) => `\t${line}`,
  (line) => `  ${line}`,
  (line) => line.replace(/^ {2}/, ''),
  (line) => line.replace(':', ''),
  (line) => line.replace(':', 's:'),
  (line) => line.replace(/:.*/, ':'),
  (line) => `${line}'`,
  (line) => `${line} {`,
  (line) => `${line}\n${line}`,
];

test('a manifest with a slip in any line is refused with a line near it, or still says the same of all else', () => {
  const lines = manifest.trimEnd().split('\n');
  for (const [index, line] of lines.entries())
    for (const slip of slips) {
      const read = readManifest(lines.with(index, slip(line)).join('\n'));
      if ('value' in read) {
        expect([line, read.value.schedules.map(({ name }) => name.slice(0, 5))]).toEqual([
          line,
          ['tests', 'repor'],
        ]);
        continue;
      }
      const [, named] = /^Line (\d+): \S/.exec(read.problem) ?? [];
      expect(Math.abs(Number(named) - (index + 1)), `${slip(line)} => ${read.problem}`).toBeLessThanOrEqual(
        4,
      );
    }
});

test('without a manifest of the server one must be sent', async () => {
  const api = await createTestApp();
  expect(await asked(api, 'POST', '/schedules/sync')).toMatchObject([
    422,
    { code: 'NotRunnable', detail: expect.stringMatching(/^This server is set to no manifest: send one/) },
  ]);
});

test('the manifest that a server is set to is read again by itself and when asked, and no other is taken', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-manifest-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'schedules.yaml');
  const api = await createTestApp({ readManifest: createManifest(file) });
  const names = async (): Promise<string[]> =>
    (await asked(api, 'GET', '/schedules'))[1].items.map(({ name }: { name: string }) => name);
  const chore = () =>
    createManifestChore({ parts: api.deps, tenantId: api.tenantId, logger: api.deps.logger });
  const errors = () => api.lines.filter(({ level }) => level === 50).map((line) => line['msg']);
  await chore().act();
  expect(errors()).toEqual([
    `the manifest of schedules changes nothing: The manifest ${file} cannot be read (ENOENT).`,
  ]);
  await writeFile(file, manifest);
  const reading = chore();
  await reading.act();
  expect(await names()).toEqual(['tests', 'report']);
  await writeFile(file, manifest.slice(0, manifest.indexOf('  - name: report')));
  // Not again within five minutes; at once when asked.
  await reading.act();
  expect(await names()).toEqual(['tests', 'report']);
  expect((await asked(api, 'POST', '/schedules/sync'))[1].removed).toEqual(['report']);
  expect(await asked(api, 'POST', '/schedules/sync', { manifest })).toMatchObject([
    422,
    {
      detail: `The schedules of this server are defined in ${file}: change them there, and sync without a manifest.`,
    },
  ]);
  await writeFile(file, 'schedules: none');
  await chore().act();
  expect(errors().at(-1)).toMatch(/^the manifest of schedules changes nothing: Line 1: schedules: /);
  expect(await names()).toEqual(['tests']);
});

test('a manifest that is still being written is read when it is whole', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-manifest-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'schedules.yaml');
  const half = manifest.indexOf('  - name: report');
  await writeFile(file, manifest.slice(0, half));
  const changedAt = new Date();
  // `write` is what another program writes between the text that is read and the look at the file's time; it says how
  // long ago that was.
  const readBeside = (write: (read: number) => number): Promise<string> => {
    let reads = 0;
    // The clock is asked once in each read of the file, behind its text.
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => {
      const ageMs = write((reads += 1));
      utimesSync(file, changedAt, changedAt);
      return changedAt.getTime() + ageMs;
    });
    return createManifest(file)(undefined).finally(() => clock.mockRestore());
  };
  const behindFirst = (text: string, ageMs: number) => (read: number) => {
    if (read === 1) appendFileSync(file, text);
    return read === 1 ? ageMs : 2_000;
  };
  expect(await readBeside(behindFirst(manifest.slice(half), 300))).toBe(manifest);
  // Whatever its time says, as after a clock that was set back.
  const tomorrow = new Date(Date.now() + 86_400_000);
  await utimes(file, tomorrow, tomorrow);
  expect(await createManifest(file)(undefined)).toBe(manifest);
  // Written in this very millisecond, of which the file's time knows a part more.
  expect(await readBeside(behindFirst('#', -500))).toBe(`${manifest}#`);
  const always = readBeside(() => {
    appendFileSync(file, '#');
    return 100;
  });
  await expect(always).rejects.toThrow(`The manifest ${file} is being written; sync again when it is done.`);
});
