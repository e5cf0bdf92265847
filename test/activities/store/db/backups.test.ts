// A backup of a database in use, brought back into another: the same rows and numbers. One that is damaged, too old or not
// there is said to be, and of many those stay that are worth their room.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { keptBackups, listBackups } from '../../../../activities/store/db/backup-folder.ts';
import { createBackups } from '../../../../activities/store/db/backups.ts';
import { writeBackup } from '../../../../activities/store/db/backup.ts';
import { restoreBackup } from '../../../../activities/store/db/restore.ts';
import { layPipe, untilRead } from '../../../support/pipe.ts';
import { aCall, anAttempt, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();

async function folderOf(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-backups-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function asked<Row>(url: string, query: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(query)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** Every row of every table, and every constraint and number that is due next. */
async function all(url: string): Promise<Record<string, unknown>> {
  const tables = await asked<{ name: string }>(
    url,
    `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
     and relname not like 'kysely%' order by 1`,
  );
  const found: Record<string, unknown> = {};
  for (const { name } of tables)
    found[name] = await asked(url, `select to_jsonb(one) as row from "${name}" one order by 1`);
  found[' constraints'] = await asked(
    url,
    `select conrelid::regclass::text as on, conname, pg_get_constraintdef(oid) as is from pg_constraint
     where connamespace = 'public'::regnamespace order by 1, 2`,
  );
  found[' sequences'] = await asked(url, 'select sequencename, last_value from pg_sequences order by 1');
  return found;
}

async function emptyDatabase(): Promise<string> {
  const name = `perdure_restored_${Math.random().toString(36).slice(2)}`;
  await asked(store.url, `create database ${name} template template0`);
  onTestFinished(async () => void (await asked(store.url, `drop database ${name} with (force)`)));
  const url = new URL(store.url);
  url.pathname = `/${name}`;
  return url.href;
}

async function work(): Promise<void> {
  const run = await store.started();
  await store.step(run, 1, { text: 'Tab\tand \\N and "quotes"\nand ünïcode.', calls: [aCall('1.0')] });
  const attempt = anAttempt(run, 'call/1.0');
  await store.claim(attempt);
  await store.record(attempt);
  await store.end(run);
  await store.started();
}

const databases = () =>
  asked<{ datname: string }>(
    store.url,
    `select datname from pg_database where datname like 'perdure\\_check\\_%'`,
  );

// Each migrates a database or two from nothing.
const longMs = 120_000;

test('what was there comes back into an empty database, and nothing is left of the trial', {
  timeout: longMs,
}, async () => {
  await work();
  const folder = await folderOf();
  const backups = createBackups(store.url, folder);
  expect(await backups.make()).toMatch(/was restored into a database of its own, which is gone again\.$/);
  const {
    items: [one, ...others],
    problem,
  } = await listBackups(folder, new Date());
  expect([one?.check, others, problem]).toEqual([
    { at: expect.any(String), restored: true, problem: null },
    [],
    null,
  ]);
  const place = path.join(folder, one?.name ?? '');
  for (const file of await readdir(place))
    expect([file, (await stat(path.join(place, file))).mode & 0o777]).toEqual([file, 0o600]);
  expect((await stat(place)).mode & 0o777).toBe(0o700);
  const url = await emptyDatabase();
  await restoreBackup(url, place);
  expect(await all(url)).toEqual(await all(store.url));
  expect(await databases()).toEqual([]);
  await expect(restoreBackup(url, place)).rejects.toThrow('is not empty');
});

test('all tables are of one moment, however much is written meanwhile', {
  timeout: longMs,
}, async () => {
  const folder = await folderOf();
  let stopped = false;
  const writing = (async () => {
    while (!stopped) await work();
  })();
  await writeBackup(store.url, path.join(folder, 'one'), new Date());
  stopped = true;
  await writing;
  // Foreign keys of a mix of moments could not be made.
  await restoreBackup(await emptyDatabase(), path.join(folder, 'one'));
});

test('a backup that is damaged, of another version, too old or missing is said to be', {
  timeout: longMs,
}, async () => {
  const folder = await folderOf();
  let now = new Date('2026-03-01T03:00:00Z');
  const backups = createBackups(store.url, folder, () => now);
  await expect(backups.check()).rejects.toThrow('There is no backup: `perdure backup now` makes one');
  await backups.make();
  now = new Date('2026-03-03T02:59:00Z');
  await backups.check();
  now = new Date('2026-03-04T03:00:01Z');
  await expect(backups.check()).rejects.toThrow('The newest good backup, 20260301T030000Z, is 72 hours old');
  now = new Date('2026-03-01T04:00:00Z');
  const place = path.join(folder, '20260301T030000Z');
  const runs = await readFile(path.join(place, 'runs.copy.gz'));
  await writeFile(path.join(place, 'runs.copy.gz'), Buffer.concat([runs, Buffer.from('x')]));
  const damaged = 'Backup 20260301T030000Z is damaged: runs is not what was written.';
  await expect(backups.check()).rejects.toThrow(damaged);
  const { items, problem } = await listBackups(folder, now);
  expect(items[0]?.check?.problem).toBe(damaged);
  expect(problem).toContain('No backup has passed its check');
  await writeFile(path.join(place, 'runs.copy.gz'), runs);
  const description = JSON.parse(await readFile(path.join(place, 'backup.json'), 'utf8'));
  await writeFile(
    path.join(place, 'backup.json'),
    JSON.stringify({ ...description, migration: '9999-later' }),
  );
  await expect(backups.check()).rejects.toThrow('is of a newer version of Perdure');
  await writeFile(path.join(place, 'backup.json'), '{"version": 1, ');
  await expect(backups.check()).rejects.toThrow('cannot be read: take another one');
  expect((await listBackups(folder, now)).items).toMatchObject([
    { name: '20260301T030000Z', check: { problem: expect.stringContaining('cannot be read') } },
  ]);
  expect(await databases()).toEqual([]);
});

/** Whoever makes a backup waits at one of the last tables, until this is called. */
async function hold(): Promise<() => Promise<unknown>> {
  const holder = new pg.Client({ connectionString: store.url });
  await holder.connect();
  onTestFinished(() => holder.end());
  await holder.query('begin; lock table workspaces in access exclusive mode');
  return () => holder.query('rollback');
}

/** Those that wait there. */
const held = () =>
  asked(
    store.url,
    `select from pg_locks join pg_database on pg_database.oid = database
     where datname = current_database() and relation = 'workspaces'::regclass and not granted`,
  );

/** Makes a backup as the API has it made; it is killed at the latest with the test. */
function making(data: string): { child: ChildProcess; kill(): Promise<void> } {
  const worker = new URL('../../../../worker/', import.meta.url);
  const child = fork(new URL('child.ts', worker), [new URL('backups.ts', worker).href, 'makeBackup'], {
    serialization: 'advanced',
  });
  child.send([data, store.url]);
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  onTestFinished(kill);
  return { child, kill };
}

test('whoever makes one is killed while it writes, and while it restores on trial: half is no backup, and goes with the next', {
  timeout: 2 * longMs,
}, async () => {
  const data = await folderOf();
  const folder = path.join(data, 'backups');
  const letOn = await hold();
  const writing = making(data);
  const written = () => readdir(folder, { recursive: true }).catch(() => []);
  await expect
    .poll(written, { timeout: longMs })
    .toContainEqual(expect.stringMatching(/unfinished\/webhooks/));
  await writing.kill();
  await letOn();
  expect((await listBackups(folder, new Date())).items).toEqual([]);
  expect(await readdir(folder)).toEqual([expect.stringMatching(/Z\.unfinished$/)]);

  const letRestore = await hold();
  const trying = making(data);
  await expect.poll(held, { timeout: longMs }).toHaveLength(1);
  const [name = ''] = await readdir(folder);
  const content = await readFile(path.join(folder, name, 'tasks.copy.gz'));
  await layPipe(path.join(folder, name, 'tasks.copy.gz'));
  await letRestore();
  // Each table is read twice: whether it is whole, and into a database of its own, most of the others before it.
  const tasks = path.join(folder, path.parse(name).name, 'tasks.copy.gz');
  const looking = await untilRead(tasks);
  // Another one who checks its backups on this server must not take it for left over.
  const inUse = () =>
    asked(store.url, `select from pg_stat_activity where datname like 'perdure\\_check\\_%'`);
  expect(await inUse()).toHaveLength(1);
  await layPipe(tasks);
  await looking.writeFile(content);
  await looking.close();
  const restoring = await untilRead(tasks);
  expect(await databases()).toHaveLength(1);
  await trying.kill();
  await restoring.close();
  // What its connections still use is not the next one's to drop.
  await expect.poll(inUse).toEqual([]);
  const [half] = (await listBackups(folder, new Date())).items;
  expect([half?.check, await readdir(folder)]).toEqual([null, [half?.name]]);

  const last = making(data);
  const [answer] = await once(last.child, 'message');
  expect(answer).toEqual({ result: expect.stringContaining('was restored') });
  const { items, problem } = await listBackups(folder, new Date());
  expect([items[0]?.check?.problem, problem]).toEqual([null, null]);
  expect(await readdir(folder)).toEqual(expect.arrayContaining(items.map(({ name }) => name)));
  expect((await written()).filter((name) => name.includes('unfinished'))).toEqual([]);
  expect(await databases()).toEqual([]);
});

test('one that is made in the second of another takes its place for the day', {
  timeout: 2 * longMs,
}, async () => {
  const folder = await folderOf();
  const at = new Date('2026-02-01T03:00:00Z');
  const backups = createBackups(store.url, folder, () => at);
  await backups.make();
  await backups.make();
  expect((await listBackups(folder, at)).items.map(({ name }) => name)).toEqual(['20260201T030001Z']);
});

test('two that make one at once follow each other', { timeout: 2 * longMs }, async () => {
  const folder = await folderOf();
  const [one, other] = ['2026-02-01T03:00:00Z', '2026-02-02T03:00:00Z'].map((at) =>
    createBackups(store.url, folder, () => new Date(at)),
  );
  const letOn = await hold();
  const first = one?.make();
  const begun = () => readdir(folder, { recursive: true });
  await expect.poll(begun, { timeout: longMs }).toContainEqual(expect.stringMatching(/unfinished\/webhooks/));
  const second = other?.make();
  const waiting = () =>
    asked(
      store.url,
      `select from pg_locks join pg_database on pg_database.oid = database
       where datname = current_database() and locktype = 'advisory' and not granted`,
    );
  await expect.poll(waiting, { timeout: longMs }).toHaveLength(1);
  await letOn();
  await Promise.all([first, second]);
  const { items } = await listBackups(folder, new Date('2026-02-02T04:00:00Z'));
  expect(items.map(({ name, check }) => [name, check?.problem])).toEqual([
    ['20260202T030000Z', null],
    ['20260201T030000Z', null],
  ]);
});

test('one that cannot be restored costs no good one its place', { timeout: longMs }, async () => {
  const folder = await folderOf();
  let now = new Date('2026-02-01T03:00:00Z');
  const backups = createBackups(store.url, folder, () => now);
  await backups.make();
  now = new Date('2026-02-01T04:00:00Z');
  await asked(store.url, `insert into kysely_migration values ('9999-later', '')`);
  await expect(backups.make()).rejects.toThrow('is of a newer version');
  await asked(store.url, `delete from kysely_migration where name = '9999-later'`);
  const { items, problem } = await listBackups(folder, now);
  expect(items.map(({ name, check }) => [name, check?.restored])).toEqual([
    ['20260201T040000Z', false],
    ['20260201T030000Z', true],
  ]);
  expect(problem).toBeNull();
});

test('the newest of seven days, four weeks and twelve months stay, and never fewer than the newest', () => {
  const nameAt = (day: number) => new Date(day * 86_400_000).toISOString().replace(/[-:]|\.\d+/g, '');
  const daily = Array.from({ length: 800 }, (_, at) => nameAt(20_000 + at));
  const kept = keptBackups(daily);
  expect(kept.slice(0, 7)).toEqual(daily.slice(-7).reverse());
  expect(kept.length).toBeGreaterThanOrEqual(7 + 2 + 10);
  expect(kept.length).toBeLessThanOrEqual(7 + 4 + 12);
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 4000 }), { minLength: 1 }), (days) => {
      const names = days.map(nameAt);
      const stay = keptBackups(names);
      expect(stay[0]).toBe([...names].sort().at(-1));
      // Forgetting again forgets nothing more.
      expect(keptBackups(stay)).toEqual(stay);
      // With bad ones beside them all that are good stay as they would without.
      const bad = new Set(names.filter((_, at) => at % 3 === 0));
      const good = names.filter((name) => !bad.has(name));
      expect(keptBackups(names, bad)).toEqual(expect.arrayContaining(keptBackups(good)));
    }),
  );
});
