// B7, resume: a reader that comes back ten thousand events behind, by its run and by its conversation, against selecting
// and writing the same rows; and five hundred readers of fifty live runs, every second one by its conversation, whose API
// is killed under them. Nothing may be lost, doubled or reordered.
import { setTimeout as sleep } from 'node:timers/promises';
import { streamOf } from '../../workflows/contracts/event.ts';
import { until } from '../support/platform.ts';
import { startFloor } from './harness/floor.ts';
import { measurePairs, report, type Sample, settings, spreadOf, type Stretch } from './harness/pairs.ts';
import { now, startProduct } from './harness/product.ts';
import { openReader, type Target } from './harness/reader.ts';
import { startReaders } from './harness/readers.ts';
import { startRunningRuns } from './harness/running.ts';

const runs = 50;
const herd = 500;
const behind = 10_000;

const given = settings();
const never = new Promise(() => undefined);
await using product = await startProduct(
  { pieces: 1, pauseMs: 0, toolSteps: 0, calls: [], hold: () => never },
  { PERDURE_LLM_SLOTS: String(runs + 10) },
);
const { platform } = product;
await using running = await startRunningRuns(product, runs);
await using floor = await startFloor(platform.databaseUrl);
// More than the server keeps in memory, so that each return reads its rows from Postgres, as the floor does.
const long = running.runs.slice(0, 25).map((run) => ({ run, from: run.last() }));
for (let batch = 0; batch < behind / 100; batch += 1)
  await Promise.all(long.map(({ run }) => run.append(100)));

let wrong = 0;

/** Comes back again and again, one reader at a time, each time to the next stream. */
async function comeBack(seconds: number, targetOf: (one: Long) => Target): Promise<Sample> {
  const end = Date.now() + seconds * 1000;
  let units = 0;
  while (Date.now() < end) {
    const one = long[units % long.length];
    if (!one) break;
    const reader = openReader({ target: targetOf(one), ages: 'oldest', again: false });
    await reader.reached(one.run.last());
    reader.close();
    await reader.ended;
    const { lost, doubled, reordered } = reader.seen;
    wrong += lost + doubled + reordered;
    units += 1;
  }
  return { units };
}

type Long = (typeof long)[number];

function fromFloor({ run, from }: Long): Target {
  const path = `/rows?stream=${encodeURIComponent(streamOf('run', run.id))}&after=${from}`;
  return { host: '127.0.0.1', port: floor.port, path, token: '', after: from };
}

type Kind = 'run' | 'conversation';

const measureBy = (kind: Kind) =>
  measurePairs({
    name: `resume, by ${kind}`,
    floor: {
      name: 'select and write',
      measure: (seconds) => comeBack(seconds, fromFloor),
      pids: () => [floor.pid],
    },
    ours: {
      name: 'reconnect',
      measure: (seconds) =>
        comeBack(seconds, ({ run, from }) =>
          kind === 'run' ? run.target(from) : run.conversationTarget(from),
        ),
      pids: () => [platform.pid('api') ?? 0],
    },
    // A resume takes a hundred milliseconds.
    settings: { ...given, seconds: Math.max(2, given.seconds / 10) },
  });

const measured = { run: await measureBy('run'), conversation: await measureBy('conversation') };

interface Herd {
  /** Milliseconds from the kill until the API answered again, and until every reader had something new. */
  backAfter: number;
  caughtUpAfter: number;
  wrong: number;
}

async function killUnderHerd(): Promise<Herd> {
  await using readers = await startReaders();
  const targets = Array.from({ length: herd }, (_, index) => {
    const run = running.runs[index % runs];
    return (index < herd / 2 ? run?.target() : run?.conversationTarget()) ?? [];
  }).flat();
  // Below a second, and above what a frame takes to its reader on a busy machine.
  await readers.open({ targets, ages: 'oldest', again: true, freshMs: 500 });
  const writing = new AbortController();
  const written = writeUntil(writing.signal);
  await sleep(1000);
  const old = platform.pid('api');
  const killed = now();
  platform.kill('api');
  await until(
    () => platform.pid('api') !== undefined && platform.pid('api') !== old,
    30_000,
    () => 'No new API.',
  );
  await until(
    () =>
      product
        .read('/runs?limit=1', () => true)
        .then(
          () => true,
          () => false,
        ),
    30_000,
    () => 'The API does not answer.',
  );
  const backAfter = now() - killed;
  let seen = await readers.report();
  await until(
    async () => {
      seen = await readers.report();
      return seen.fresh === herd && seen.lastFreshAt > killed;
    },
    60_000,
    () => `Only ${seen.fresh} readers have caught up.`,
  );
  writing.abort();
  await written;
  return {
    backAfter,
    caughtUpAfter: seen.lastFreshAt - killed,
    wrong: seen.lost + seen.doubled + seen.reordered,
  };
}

/** Every run says something ten times a second. */
async function writeUntil(signal: AbortSignal): Promise<void> {
  await Promise.all(
    running.runs.map(async (run, index) => {
      await sleep(2 * index);
      while (!signal.aborted) {
        const next = sleep(100);
        await run.append(1);
        await next;
      }
    }),
  );
}

const herds: Herd[] = [];
for (let round = 0; round < Math.max(1, given.pairs / 2); round += 1) herds.push(await killUnderHerd());
for (const one of herds) wrong += one.wrong;

const seconds = (stretch: Stretch): number => stretch.wallSeconds / stretch.units;
const kinds = Object.entries(measured).map(([kind, { ours, floor: select }]) => ({
  kind,
  ratio: spreadOf(ours.map((one, index) => seconds(one) / seconds(select[index] as Stretch))),
  ours: ours.map((one) => 1000 * seconds(one)),
  floor: select.map((one) => 1000 * seconds(one)),
}));
const caughtUp = spreadOf(herds.map(({ caughtUpAfter }) => caughtUpAfter / 1000));
const lower = { higherIsBetter: false };
report({
  name: 'B7 resume',
  checks: [
    ...kinds.map(({ kind, ratio }) => ({
      what: `time to catch up on 10,000 events by ${kind}, against select and write`,
      value: ratio.median,
      target: 1.5,
      mustReach: 3,
      ...lower,
    })),
    {
      what: 'seconds from the kill until 500 readers had caught up',
      value: caughtUp.max,
      target: 3,
      mustReach: 6,
      ...lower,
    },
    { what: 'events lost, doubled or reordered', value: wrong, target: 0, mustReach: 0, ...lower },
  ],
  figures: { kinds, caughtUp, herds },
});
