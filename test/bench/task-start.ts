// Tasks: from POST /tasks to the first event of the run that the dispatcher starts for it, against POST /runs to the first
// event of that run. One at a time.
import {
  measurePairs,
  percentile,
  ratiosOf,
  report,
  type Sample,
  settings,
  type Stretch,
} from './harness/pairs.ts';
import { endless } from './harness/endless.ts';
import { now, startProduct } from './harness/product.ts';
import { checkRows } from './harness/rows.ts';

const given = settings();
await using product = await startProduct({ pieces: 3, pauseMs: 0, toolSteps: 0, calls: [] });

async function oneAfterTheOther(seconds: number, one: () => Promise<number>): Promise<Sample> {
  const end = Date.now() + seconds * 1000;
  const took: number[] = [];
  while (Date.now() < end) took.push(await one());
  return { units: took.length, figures: { p50: percentile(took, 0.5), p99: percentile(took, 0.99) } };
}

/** Milliseconds to the first event; resolves at the end of the run. */
async function firstEventOf(runId: string, begun: number): Promise<number> {
  let first = 0;
  await product.read(`/runs/${runId}/stream`, ({ type, at }) => {
    first ||= at - begun;
    return type === 'run-end';
  });
  return first;
}

async function oneRun(): Promise<number> {
  const begun = now();
  return firstEventOf(await product.startRun(), begun);
}

async function oneTask(): Promise<number> {
  const begun = now();
  const run = { model: 'compatible/fake', project: null, ...endless };
  const task = JSON.parse(await product.post('/tasks', { title: 'Work', prompt: 'Do the work.', run })) as {
    id: string;
  };
  let runId: string | undefined;
  let took = 0;
  await product.read(`/tasks/${task.id}/stream`, ({ type, data }) => {
    if (type !== 'task-claim') return type === 'task-end';
    ({ runId } = (JSON.parse(data) as { payload: { runId: string } }).payload);
    return true;
  });
  if (runId === undefined) throw new Error(`Task ${task.id} got no run.`);
  took = await firstEventOf(runId, begun);
  // Its executor has room again once its end has been seen.
  await product.read(`/tasks/${task.id}/stream`, ({ type }) => type === 'task-end');
  return took;
}

const measured = await measurePairs({
  name: 'task-start',
  floor: { name: 'runs', measure: (seconds) => oneAfterTheOther(seconds, oneRun) },
  ours: { name: 'tasks', measure: (seconds) => oneAfterTheOther(seconds, oneTask) },
  // Some dozens a side are enough.
  settings: { ...given, pairs: Math.min(given.pairs, 4), seconds: given.seconds / 2 },
});
const checked = await checkRows(product.platform.databaseUrl);

const figure =
  (name: 'p50' | 'p99') =>
  (stretch: Stretch): number =>
    stretch.figures?.[name] ?? Number.NaN;
const middle = ratiosOf(measured, figure('p50'));
report({
  name: 'task-start',
  checks: [
    {
      what: 'first event of the run of a task, p50 against that of a run',
      value: middle.median,
      target: 3,
      mustReach: 6,
      higherIsBetter: false,
    },
  ],
  figures: {
    middle,
    late: ratiosOf(measured, figure('p99')),
    milliseconds: {
      task: measured.ours.map(figure('p50')),
      run: measured.floor.map(figure('p50')),
    },
    checked,
  },
});
