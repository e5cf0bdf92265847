// F1: a worker that dies at each point between two durable facts. Its successor on the same machine goes on: nothing
// is lost, nothing is done twice, and what nobody can know is called unknown.
import { afterEach, beforeAll, expect, test } from 'vitest';
import { anEffect, aProgram, farMs, onlyRun, openTheatre } from '../support/faults.ts';
import type { Point } from '../support/mortal-worker.ts';
import { openRoles } from '../support/roles.ts';

const theatre = await openTheatre();
const roles = await openRoles({ PERDURE_COMPATIBLE_BASE_URL: theatre.model.url });

beforeAll(async () => {
  await roles.startApi();
});

let workers: { gone: Promise<void>; kill(): void }[] = [];
afterEach(async () => {
  for (const worker of workers) worker.kill();
  await Promise.all(workers.map(({ gone }) => gone));
  workers = [];
});

/** Starts a worker that dies there, and once it has, one that does not. */
async function dieAndGoOn(point: Point): Promise<void> {
  const mortal = await roles.startWorker({ point });
  workers.push(mortal);
  await mortal.gone;
  workers.push(await roles.startWorker());
}

interface Death {
  point: Point;
  when: string;
  outcome: string;
  status: string;
  effects: number;
  /** How often the model was asked for the first step. */
  asked: number;
  project?: false;
  /** Behind `--faults`: the others show each way it can end. */
  long?: true;
}

const deaths: Death[] = [
  {
    point: 'before-begin',
    long: true,
    when: 'before it has begun the run with its first model call',
    outcome: 'the run begins elsewhere',
    status: 'succeeded',
    effects: 1,
    asked: 1,
    project: false,
  },
  {
    point: 'begun',
    long: true,
    when: 'after it has marked the run as running',
    outcome: 'the run goes on',
    status: 'succeeded',
    effects: 1,
    asked: 1,
  },
  {
    point: 'mid-stream',
    long: true,
    when: 'in the middle of an answer',
    outcome: 'the step is asked once more',
    status: 'succeeded',
    effects: 1,
    asked: 2,
  },
  {
    point: 'answer-stored',
    when: 'between storing an answer and saying so',
    outcome: 'the answer is not bought again',
    status: 'succeeded',
    effects: 1,
    asked: 1,
  },
  {
    point: 'before-claim',
    long: true,
    when: 'before it has claimed a call',
    outcome: 'the call is made',
    status: 'succeeded',
    effects: 1,
    asked: 1,
  },
  {
    point: 'claimed',
    long: true,
    when: 'between claiming a call and acting',
    outcome: 'the call is made once',
    status: 'succeeded',
    effects: 1,
    asked: 1,
  },
  {
    point: 'mid-tool',
    long: true,
    when: 'while the command runs',
    outcome: 'the command is dead and its outcome unknown',
    status: 'unknown',
    effects: 0,
    asked: 1,
  },
  {
    point: 'acted',
    when: 'between acting and storing the result',
    outcome: 'the outcome is unknown and it is not done again',
    status: 'unknown',
    effects: 1,
    asked: 1,
  },
  {
    point: 'result-stored',
    long: true,
    when: 'between storing a result and saying so',
    outcome: 'the result stands',
    status: 'succeeded',
    effects: 1,
    asked: 1,
  },
  {
    point: 'finish-stored',
    long: true,
    when: 'after it has ended the run',
    outcome: 'the run has ended once',
    status: 'succeeded',
    effects: 1,
    asked: 1,
  },
];

async function expectGoesOn({ point, status, effects, asked, project }: Death): Promise<void> {
  const key = `effect-${point}`;
  // In the middle of a command means: after its first words, long before its effect.
  const times = point === 'mid-tool' ? { says: 'begun', beforeMs: farMs } : {};
  const program = aProgram([{ words: 12, wordMs: 30, calls: [anEffect(key, times)] }], {
    project: project ?? true,
  });
  const [[played]] = await Promise.all([theatre.play(roles, [program]), dieAndGoOn(point)]);
  if (!played) throw new Error('Nothing was played.');
  const { run, calls } = onlyRun(await theatre.expectRight(roles, [played]), played);
  const marker = program.messages[0]?.marker;
  expect({
    run: run.status,
    steps: run.steps,
    call: calls.map((call) => call.status),
    effects: theatre.ledger.hits.filter((hit) => hit.key === key).length,
    asked: theatre.model.asks.filter((ask) => ask.marker === marker && ask.step === 1).length,
  }).toEqual({ run: 'succeeded', steps: 2, call: [status], effects, asked });
}

const title = 'a worker killed $when: $outcome';
test.each(deaths.filter(({ long }) => !long))(title, expectGoesOn);
test.each(deaths.filter(({ long }) => long))(title, { tags: ['faults'] }, expectGoesOn);
