// Workers that nobody supervises: told to stop under load, dead without anybody knowing, frozen and then awake again;
// and what a dead worker's commands leave running.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeAll, expect, test } from 'vitest';
import type { RunState } from '../chaos/evidence.ts';
import type { Played } from '../chaos/player.ts';
import type { Program } from '../chaos/program.ts';
import { anEffect, aProgram, onlyRun, openTheatre } from '../support/faults.ts';
import { until } from '../support/platform.ts';
import { openRoles, type Role } from '../support/roles.ts';

// What any of these takes at most, heartbeat timeouts included; past it the test says what it waited for.
const patienceMs = 100_000;

const theatre = await openTheatre();
const roles = await openRoles({
  PERDURE_COMPATIBLE_BASE_URL: theatre.model.url,
  PERDURE_TOOL_SLOTS: '16',
  PERDURE_LLM_SLOTS: '32',
});

let workers: Role[] = [];

beforeAll(async () => {
  await roles.startApi();
});

afterEach(async () => {
  for (const worker of workers) worker.kill();
  await Promise.all(workers.map(({ gone }) => gone));
  workers = [];
});

async function startWorker(point?: Parameters<typeof roles.startWorker>[0]): Promise<Role> {
  const worker = await roles.startWorker(point);
  workers.push(worker);
  return worker;
}

/** Resolves when the model has been asked for this step of the program. */
async function asked(program: Program, step: number): Promise<void> {
  const marker = program.messages[0]?.marker;
  const isAsked = (): boolean => theatre.model.asks.some((ask) => ask.marker === marker && ask.step === step);
  await until(isAsked, patienceMs, () => `The model was not asked for step ${step} of ${marker}.`);
}

function effectsOf(key: string): number {
  return theatre.ledger.hits.filter((hit) => hit.key === key).length;
}

async function single(playing: Promise<Played[]>): Promise<RunState> {
  const [played] = await playing;
  if (!played) throw new Error('Nothing was played.');
  return onlyRun(await theatre.expectRight(roles, [played]), played);
}

async function queryRows(text: string, value: string): Promise<object[]> {
  const client = new pg.Client({ connectionString: roles.databaseUrl });
  await client.connect();
  try {
    return (await client.query(text, [value])).rows as object[];
  } finally {
    await client.end();
  }
}

/** Waits until the command of the program's first call runs. */
async function callRuns(program: Program): Promise<void> {
  await asked(program, 1);
  const marker = program.messages[0]?.marker;
  const runs = async (): Promise<boolean> => {
    const { items } = await roles.client.runs({ limit: 50 });
    const run = items.find(({ prompt }) => prompt.includes(`[[${marker}]]`));
    if (!run) return false;
    return (await roles.client.runEvents(run.id, { type: 'call-delta' })).items.length > 0;
  };
  await until(runs, patienceMs, () => `No command of ${marker} has said anything.`);
}

test('a worker told to stop under load finishes what it does: no attempt fails, nothing is asked or done twice', async () => {
  const first = await startWorker();
  const programs = Array.from({ length: 12 }, (_, index) =>
    aProgram([
      { words: 20, wordMs: 20, calls: [anEffect(`drain-${index}-1`, { beforeMs: 300 })] },
      { words: 20, wordMs: 20, calls: [anEffect(`drain-${index}-2`), anEffect(`drain-${index}-3`)] },
    ]),
  );
  const playing = theatre.play(roles, programs);
  await Promise.all(programs.map((program) => asked(program, 1)));
  await startWorker();
  first.kill('SIGTERM');
  const played = await playing;
  await first.gone;
  const runs = await theatre.expectRight(roles, played);
  const states = played.map((each) => onlyRun(runs, each));
  expect(new Set(states.map(({ run }) => run.status))).toEqual(new Set(['succeeded']));
  expect(states.flatMap(({ calls }) => calls.filter(({ status }) => status !== 'succeeded'))).toEqual([]);
  expect(
    states.flatMap(({ attempts }) =>
      attempts.filter(({ outcome }) => outcome === 'lost' || outcome === 'failed'),
    ),
  ).toEqual([]);
  const twice = theatre.model.asks.filter(
    ({ attempt, marker }) => attempt > 1 && programs.some(({ messages }) => messages[0]?.marker === marker),
  );
  expect(twice).toEqual([]);
});

test('a command that outlasts the drain is stopped and said to be stopped, not unknown', async () => {
  const first = await startWorker({ environment: { PERDURE_DRAIN_SECONDS: '1' } });
  const program = aProgram([{ calls: [anEffect('outlasts', { says: 'begun', beforeMs: 60_000 })] }]);
  const playing = single(theatre.play(roles, [program]));
  await callRuns(program);
  first.kill('SIGTERM');
  await first.gone;
  await startWorker();
  const { run, calls } = await playing;
  expect([run.status, calls.map(({ status }) => status), effectsOf('outlasts')]).toEqual([
    'succeeded',
    ['stopped'],
    0,
  ]);
});

test('a worker that dies with nobody there to see it is noticed by its silence, and its call is called unknown', async () => {
  const first = await startWorker();
  const program = aProgram([{ calls: [anEffect('unseen', { says: 'begun', beforeMs: 60_000 })] }]);
  const playing = single(theatre.play(roles, [program]));
  await callRuns(program);
  // Started well before the death: at its own start a worker looks for dead ones of its machine.
  await startWorker();
  await sleep(3_000);
  const killedAt = Date.now();
  first.kill();
  const { run, calls, events } = await playing;
  const back = events.find(({ at }) => Date.parse(at) > killedAt + 100);
  console.log(
    `unsupervised: progress ${(Date.parse(back?.at ?? '') - killedAt) / 1000} s after the kill; the bound is 30 s`,
  );
  expect([run.status, calls.map(({ status }) => status), effectsOf('unseen')]).toEqual([
    'succeeded',
    ['unknown'],
    0,
  ]);
});

test('a worker whose event loop stands still loses its call to another one, and what it says later is refused', async () => {
  // With one slot, which the frozen call holds: the retry can only go to the other worker.
  await startWorker({ point: 'frozen-loop', environment: { PERDURE_TOOL_SLOTS: '1' } });
  const program = aProgram([{ calls: [anEffect('zombie', { says: 'begun', beforeMs: 60_000 })] }]);
  const playing = single(theatre.play(roles, [program]));
  await callRuns(program);
  await startWorker();
  const { run, calls } = await playing;
  expect([run.status, calls.map(({ status }) => status), effectsOf('zombie')]).toEqual([
    'succeeded',
    ['unknown'],
    0,
  ]);
  // It speaks when it wakes up; by then the run may have ended, and the note stands in the tenant's stream.
  const refused = async (): Promise<unknown[]> =>
    queryRows(`select payload from events where type = 'late-write' and payload ->> 'runId' = $1`, run.id);
  await until(
    async () => (await refused()).length > 0,
    patienceMs,
    () => `The zombie never spoke:\n${roles.log()}`,
  );
  const [row] = await queryRows('select status, output from calls where run_id = $1', run.id);
  expect(row).toMatchObject({ status: 'unknown' });
});

test('alone, a worker whose event loop stood still goes on with the call it never let go of', async () => {
  await startWorker({ point: 'frozen-loop' });
  const program = aProgram([{ calls: [anEffect('joined', { says: 'begun', beforeMs: 33_000 })] }]);
  const { run, calls } = await single(theatre.play(roles, [program]));
  expect({
    run: run.status,
    calls: calls.map(({ status, attempts }) => ({ status, attempts })),
    effects: effectsOf('joined'),
  }).toEqual({ run: 'succeeded', calls: [{ status: 'succeeded', attempts: 1 }], effects: 1 });
});

test('whatever a dead worker left running is dead before its call is called unknown, a detached grandchild too', async () => {
  const first = await startWorker();
  const program = aProgram([{ calls: [] }]);
  // Two writers: one in the command's own group, one that has left its group, its set and its parent.
  const write = (file: string): string => `while :; do date +%s%N >> ${file}; sleep 0.05; done`;
  const command = `(${write('near.txt')}) & setsid -f bash -c '${write('far.txt')}'; echo begun; sleep 60`;
  program.messages[0]?.steps[0]?.calls.push({ kind: 'command', command });
  const playing = theatre.play(roles, [program]);
  await callRuns(program);
  const folder = path.join(roles.data, 'projects', `program-${program.id}`);
  const lines = async (): Promise<string[]> =>
    (
      await Promise.all(['near.txt', 'far.txt'].map((file) => readFile(path.join(folder, file), 'utf8')))
    ).flatMap((text) => text.trim().split('\n'));
  await until(
    async () => (await lines()).length > 10,
    patienceMs,
    () => 'Nothing is written.',
  );
  first.kill();
  await first.gone;
  const written = (await lines()).length;
  await sleep(500);
  expect((await lines()).length, 'both still write while nobody looks after them').toBeGreaterThan(written);
  await startWorker();
  const { run, calls } = await single(playing);
  const endedAt = calls[0]?.ended_at?.getTime() ?? 0;
  const last = Math.max(...(await lines()).map((line) => Number(line) / 1e6));
  expect([run.status, calls.map(({ status }) => status), last < endedAt]).toEqual([
    'succeeded',
    ['unknown'],
    true,
  ]);
  const atTheEnd = (await lines()).length;
  await sleep(500);
  expect((await lines()).length).toBe(atTheEnd);
});
