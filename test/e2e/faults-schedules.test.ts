// Schedules with short intervals on real servers: worker and API, and Temporal and Postgres, are killed again and again,
// and the API in the middle of a backup.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import type { Client } from '../../api/client/client.ts';
import type { ScheduleView } from '../../workflows/contracts/schedule.ts';
import { startPlatform, until } from '../support/platform.ts';
import { openRoles } from '../support/roles.ts';

const roles = await openRoles({});

// Ten due times, with a kill between each two.
const everySeconds = 5;
const step = everySeconds * 1000;
const longestMs = 60_000;

interface Kept {
  due_at: Date;
  outcome: string;
  run_id: string | null;
  ended_at: Date | null;
}

/** What is killed, as its ledger is looked at. */
interface Scene {
  client: Client;
  databaseUrl: string;
  log(): string;
}

async function ask<Row extends object>({ databaseUrl }: Scene, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'test-schedules' });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

function addOften({ client }: Scene): Promise<ScheduleView> {
  return client.createSchedule({
    name: 'often',
    everySeconds,
    overlap: 'allow',
    run: { prompt: 'Say hello.', model: 'scripted/hello', project: null },
  });
}

/** Switches it off, and has all that has begun end: each due time until then is there once, with a run of its own. */
async function expectEachOnce(scene: Scene, made: ScheduleView): Promise<void> {
  const switched = await scene.client.switchSchedule(made.id, false);
  const ledger = (): Promise<Kept[]> =>
    ask(
      scene,
      `select due_at, outcome, run_id, ended_at from occurrences where schedule_id = '${made.id}' order by due_at`,
    );
  await until(
    async () => (await ledger()).every(({ ended_at: at }) => at !== null),
    longestMs,
    () => `Some have not ended:\n${scene.log()}`,
  );
  const rows = await ledger();
  // Its time of creation is that of the transaction's begin, behind which something may have been due.
  const first = Date.parse(made.nextDueAt ?? '');
  const last = Math.floor(Date.parse(switched.updatedAt) / step) * step;
  const due = Array.from({ length: (last - first) / step + 1 }, (_, index) => new Date(first + index * step));
  expect(due.length).toBeGreaterThan(3);
  expect(rows.map(({ due_at: at }) => at)).toEqual(due);
  const began = rows.filter(({ run_id: id }) => id !== null);
  const runs = await ask<{ id: string; status: string }>(
    scene,
    "select id, status from runs where accepted_by = 'schedule often'",
  );
  expect(runs.map(({ id }) => id).toSorted()).toEqual(began.map(({ run_id: id }) => id).toSorted());
  expect(new Set(runs.map(({ status }) => status))).toEqual(new Set(['succeeded']));
  expect(began.map(({ outcome }) => outcome).filter((each) => !['ran', 'late'].includes(each))).toEqual([]);
}

/** Each is killed at the moment in which a run is due, twice alone and then both at once. */
async function strikeServers(): Promise<void> {
  const platform = await startPlatform({ cache: inject('bundles') });
  try {
    const { client, databaseUrl } = platform;
    const scene = { client, databaseUrl, log: () => platform.log('api').slice(-4000) };
    const made = await addOften(scene);
    const alone = [['temporal'], ['postgres']] as const;
    for (const names of [...alone, ...alone, ['temporal', 'postgres'] as const]) {
      await sleep(step - (Date.now() % step));
      for (const name of names) expect(platform.kill(name)).toBe(true);
      await platform.ready();
    }
    await expectEachOnce(scene, made);
  } finally {
    await platform.remove();
  }
}

let struck: Promise<void>;
beforeAll(() => {
  struck = strikeServers();
  // It is waited for, and told, by its test.
  struck.catch(() => undefined);
});

test('whatever is killed, each due time is in the ledger once, and its run was started once', {
  tags: ['faults'],
}, async () => {
  onTestFinished(() => roles.killAll());
  let api = await roles.startApi();
  let worker = await roles.startWorker();
  const scene = { client: roles.client, databaseUrl: roles.databaseUrl, log: () => roles.log().slice(-4000) };
  const made = await addOften(scene);
  for (const point of ['attended', 'answer-stored', 'attended', 'never'] as const) {
    // The first two kills come from within, at that point; the API goes at any.
    worker.kill();
    await worker.gone;
    worker = await roles.startWorker({ point });
    if (point === 'never') break;
    await worker.gone;
    api.kill();
    await api.gone;
    worker = await roles.startWorker();
    api = await roles.startApi();
    await sleep(2000);
  }
  await expectEachOnce(scene, made);
});

test('an API that is killed in the middle of a backup leaves half of one, which is none; the next API makes it', {
  tags: ['faults'],
}, async () => {
  onTestFinished(() => roles.killAll());
  const api = await roles.startApi();
  await roles.startWorker();
  const folder = path.join(roles.data, 'backups');
  const files = () => readdir(folder, { recursive: true }).catch(() => []);
  const holder = new pg.Client({ connectionString: roles.databaseUrl });
  await holder.connect();
  onTestFinished(() => holder.end());
  // One of the last tables waits.
  await holder.query('begin; lock table workspaces in access exclusive mode');
  const { id } = await roles.client.createSchedule({
    name: 'by-hand',
    cron: '0 3 1 1 *',
    run: null,
    job: 'backup',
  });
  await roles.client.triggerSchedule(id);
  await until(
    async () => (await files()).some((file) => file.endsWith('webhooks.copy.gz')),
    longestMs,
    () => `No backup is being made:\n${roles.log().slice(-4000)}`,
  );
  api.kill();
  await api.gone;
  expect(await readdir(folder)).toEqual([expect.stringMatching(/Z\.unfinished$/)]);
  await holder.query('rollback');
  await roles.startApi();
  expect(await roles.client.backups()).toEqual({ items: [], problem: expect.any(String) });
  const ended = async () =>
    (await roles.client.occurrences(id)).items.filter(({ endedAt }) => endedAt !== null);
  await until(
    async () => (await ended()).length === 1,
    longestMs,
    () => `The job has not ended:\n${roles.log().slice(-4000)}`,
  );
  expect(await ended()).toMatchObject([{ outcome: 'ran', reason: expect.stringContaining('was restored') }]);
  const { items, problem } = await roles.client.backups();
  expect([items.map(({ check }) => check?.problem), problem]).toEqual([[null], null]);
  expect(await readdir(folder)).toEqual(items.map(({ name }) => name));
});

test(
  'Temporal and Postgres are killed as runs are due, and each due time is in the ledger once',
  {
    tags: ['faults'],
  },
  () => struck,
);
