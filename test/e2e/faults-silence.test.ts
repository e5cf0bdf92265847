// F16, and deaths that nobody sees: workers that fall silent for longer than their heartbeats may. Each waits for
// half a minute and computes nothing, so the three go side by side, each on a database and a namespace of its own.
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunState } from '../chaos/evidence.ts';
import { anEffect, aProgram, farMs, openTheatre } from '../support/faults.ts';
import { until } from '../support/platform.ts';
import { openRoles, type Roles } from '../support/roles.ts';

// What any of these takes at most, heartbeat timeouts included; past it the test says what it waited for.
const longestMs = 100_000;

const theatre = await openTheatre();
const environment = { PERDURE_COMPATIBLE_BASE_URL: theatre.model.url };
const [unseen, zombie, alone] = await Promise.all([
  openRoles(environment),
  openRoles(environment),
  openRoles(environment),
]);

interface Silence {
  killedAt?: number;
  end: Promise<RunState>;
}
let silences: { unseen: Silence; zombie: Silence; alone: Silence };

/** Starts a run with one command on a fresh API and worker; the worker does what its point says. */
async function begin(
  roles: Roles,
  key: string,
  commandMs: number,
  options?: Parameters<Roles['startWorker']>[0],
) {
  await roles.startApi();
  const worker = await roles.startWorker(options);
  const program = aProgram([{ calls: [anEffect(key, { says: 'begun', beforeMs: commandMs })] }]);
  const end = theatre.expectOneRight(roles, theatre.play(roles, [program]));
  // Its test waits for it and is told then.
  end.catch(() => undefined);
  await theatre.callRuns(roles, program);
  return { worker, end };
}

async function beginUnseen(): Promise<Silence> {
  const { worker, end } = await begin(unseen, 'unseen', farMs);
  // Started well before the death: at its own start a worker looks for dead ones of its machine.
  await unseen.startWorker();
  await sleep(3_000);
  const killedAt = Date.now();
  worker.kill();
  return { killedAt, end };
}

// The zombie stands still as long as it is there: until it has lost its call. Longer, and what is next in its run may wait
// for it too, since what takes work for it goes on taking.
const standstillFile = path.join(zombie.data, 'stands-still');

async function beginZombie(): Promise<Silence> {
  await writeFile(standstillFile, '');
  // With one slot, which the frozen call holds: the retry can only go to the other worker.
  const environment = { PERDURE_TOOL_SLOTS: '1', STANDSTILL_FILE: standstillFile };
  const { end } = await begin(zombie, 'zombie', farMs, { point: 'frozen-loop', environment });
  await zombie.startWorker();
  const isLost = async (): Promise<boolean> =>
    (await queryRows(zombie, 'select from calls where status = $1', 'unknown')).length > 0;
  const waking = until(isLost, longestMs, () => `The zombie kept its call:\n${zombie.log()}`, 100).then(() =>
    rm(standstillFile),
  );
  return { end: Promise.all([end, waking]).then(([ended]) => ended) };
}

async function beginAlone(): Promise<Silence> {
  const { end } = await begin(alone, 'joined', 33_000, { point: 'frozen-loop' });
  return { end };
}

beforeAll(async () => {
  const [first, second, third] = await Promise.all([beginUnseen(), beginZombie(), beginAlone()]);
  silences = { unseen: first, zombie: second, alone: third };
});

afterAll(async () => {
  await Promise.all([unseen, zombie, alone].map((roles) => roles.killAll()));
});

test('a worker that dies with nobody there to see it is noticed by its silence, and its call is called unknown', async () => {
  const { killedAt = 0, end } = silences.unseen;
  const { run, calls, events } = await end;
  const back = events.find(({ at }) => Date.parse(at) > killedAt + 100);
  console.log(
    `unsupervised: progress ${(Date.parse(back?.at ?? '') - killedAt) / 1000} s after the kill; the bound is 30 s`,
  );
  expect([run.status, calls.map(({ status }) => status), theatre.effectsOf('unseen')]).toEqual([
    'succeeded',
    ['unknown'],
    0,
  ]);
});

test('a worker whose event loop stands still loses its call to another one, and what it says later is refused', async () => {
  const { run, calls } = await silences.zombie.end;
  expect([run.status, calls.map(({ status }) => status), theatre.effectsOf('zombie')]).toEqual([
    'succeeded',
    ['unknown'],
    0,
  ]);
  // It speaks when it wakes up; by then the run may have ended, and the note stands in the tenant's stream.
  const refused = `select payload from events where type = 'late-write' and payload ->> 'runId' = $1`;
  await until(
    async () => (await queryRows(zombie, refused, run.id)).length > 0,
    longestMs,
    () => `The zombie never spoke:\n${zombie.log()}`,
    100,
  );
  const [row] = await queryRows(zombie, 'select status, output from calls where run_id = $1', run.id);
  expect(row).toMatchObject({ status: 'unknown' });
});

test('alone, a worker whose event loop stood still goes on with the call it never let go of', async () => {
  const { run, calls } = await silences.alone.end;
  expect({
    run: run.status,
    calls: calls.map(({ status, attempts }) => ({ status, attempts })),
    effects: theatre.effectsOf('joined'),
  }).toEqual({ run: 'succeeded', calls: [{ status: 'succeeded', attempts: 1 }], effects: 1 });
});

async function queryRows(roles: Roles, text: string, value: string): Promise<object[]> {
  const client = new pg.Client({ connectionString: roles.databaseUrl });
  await client.connect();
  try {
    return (await client.query(text, [value])).rows as object[];
  } finally {
    await client.end();
  }
}
