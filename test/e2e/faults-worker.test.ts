// F2: workers that are told to stop under load, with nobody who supervises them.
import pg from 'pg';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { anEffect, aProgram, onlyRun, openTheatre } from '../support/faults.ts';
import { openRoles, type Role } from '../support/roles.ts';

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

async function startWorker(options?: Parameters<typeof roles.startWorker>[0]): Promise<Role> {
  const worker = await roles.startWorker(options);
  workers.push(worker);
  return worker;
}

test('a worker told to stop under load finishes what it does: no attempt fails, nothing is asked or done twice', {
  tags: ['faults'],
}, async () => {
  const first = await startWorker();
  const programs = Array.from({ length: 12 }, (_, index) =>
    aProgram([
      { words: 20, wordMs: 20, calls: [anEffect(`drain-${index}-1`, { beforeMs: 300 })] },
      { words: 20, wordMs: 20, calls: [anEffect(`drain-${index}-2`), anEffect(`drain-${index}-3`)] },
    ]),
  );
  const playing = theatre.play(roles, programs);
  await theatre.allBegun(programs);
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
  expect(programs.flatMap(theatre.asksOf).filter(({ attempt }) => attempt > 1)).toEqual([]);
});

test('a command that outlasts the drain is stopped and said to be stopped, and its worker says that it takes no more tasks', async () => {
  const first = await startWorker({ environment: { PERDURE_DRAIN_SECONDS: '1' } });
  const program = aProgram([{ calls: [anEffect('outlasts', { says: 'begun', beforeMs: 60_000 })] }]);
  const playing = theatre.play(roles, [program]);
  await theatre.callRuns(roles, program);
  first.kill('SIGTERM');
  await first.gone;
  const database = new pg.Client({ connectionString: roles.databaseUrl });
  await database.connect();
  const { rows } = await database.query('select draining from executors where pid = $1', [first.pid]);
  await database.end();
  expect(rows).toEqual([{ draining: true }]);
  await startWorker();
  const { run, calls } = await theatre.expectOneRight(roles, playing);
  expect([run.status, calls.map(({ status }) => status), theatre.effectsOf('outlasts')]).toEqual([
    'succeeded',
    ['stopped'],
    0,
  ]);
});
