// B1, run throughput: runs a second from POST /runs to the terminal event seen over SSE, eight at once, against the
// same shape of work as a bare workflow on the same server. A run calls the model, two tools side by side, the
// model again; the model streams two hundred tokens.
import { cpuSecondsOf, withDescendants } from './harness/cpu.ts';
import { startEngine } from './harness/engine.ts';
import { cpuPerUnit, measurePairs, rate, ratiosOf, report, type Sample, settings } from './harness/pairs.ts';
import { startProduct } from './harness/product.ts';
import { checkRows } from './harness/rows.ts';

const atOnce = 8;
const calls = [
  { name: 'todo', input: { items: [{ text: 'Look around', status: 'pending' }] } },
  { name: 'list', input: { path: '.' } },
];

await using product = await startProduct({ pieces: 100, pauseMs: 0, toolSteps: 1, calls });
const { platform } = product;
await using engine = await startEngine({
  temporalAddress: platform.temporalAddress,
  modelUrl: product.model.url,
});

/** Keeps eight units of work under way until the time is up. */
async function closedLoop(seconds: number, one: () => Promise<void>): Promise<Sample> {
  const end = Date.now() + seconds * 1000;
  let units = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (Date.now() < end) {
        await one();
        units += 1;
      }
    }),
  );
  return { units };
}

/** The same, with the CPU seconds a unit cost in each process. */
async function byProcess(
  seconds: number,
  one: () => Promise<void>,
  parts: () => Record<string, number[]>,
): Promise<Sample> {
  const spent = (): [string, number][] =>
    Object.entries(parts()).map(([name, pids]) => [name, cpuSecondsOf(pids)]);
  const before = Object.fromEntries(spent());
  const { units } = await closedLoop(seconds, one);
  const figures = Object.fromEntries(
    spent().map(([name, after]) => [name, (after - (before[name] ?? 0)) / units]),
  );
  return { units, figures };
}

function partsOfProduct(): Record<string, number[]> {
  const parts = platform.processes().map(({ name, pid }): [string, number[]] => {
    // The backends of Postgres are its children; the roles are the supervisor's, and counted on their own.
    return [name, name === 'postgres' ? withDescendants([pid ?? 0]) : [pid ?? 0]];
  });
  return Object.fromEntries(parts);
}

function partsOfFloor(): Record<string, number[]> {
  return { worker: [engine.pid], temporal: [platform.pid('temporal') ?? 0] };
}

async function oneRun(): Promise<void> {
  const id = await product.startRun();
  await product.read(`/runs/${id}/stream`, (event) => event.type === 'run-end');
}

async function oneBareRun(): Promise<void> {
  const handle = await engine.start({ toolSteps: 1, calls });
  await handle.result();
}

const measured = await measurePairs({
  name: 'throughput',
  floor: {
    name: 'bare workflow',
    measure: (seconds) => byProcess(seconds, oneBareRun, partsOfFloor),
    pids: () => Object.values(partsOfFloor()).flat(),
  },
  ours: {
    name: 'runs',
    measure: (seconds) => byProcess(seconds, oneRun, partsOfProduct),
    pids: () => Object.values(partsOfProduct()).flat(),
  },
  settings: settings(),
});
const checked = await checkRows(platform.databaseUrl);

const ratio = ratiosOf(measured, rate);
const cpu = ratiosOf(measured, cpuPerUnit);
report({
  name: 'B1 run throughput',
  checks: [
    {
      what: 'runs/s against bare workflows',
      value: ratio.median,
      target: 0.85,
      mustReach: 0.6,
      higherIsBetter: true,
    },
    {
      what: 'CPU seconds a run against the same',
      value: cpu.median,
      target: 1.3,
      mustReach: 2,
      higherIsBetter: false,
    },
  ],
  figures: {
    ratio,
    cpu,
    runsPerSecond: measured.ours.map(rate),
    floorPerSecond: measured.floor.map(rate),
    cpuSecondsPerRun: measured.ours.map(cpuPerUnit),
    floorCpuSecondsPerRun: measured.floor.map(cpuPerUnit),
    cpuSecondsPerRunByProcess: measured.ours.map(({ figures }) => figures),
    floorCpuSecondsPerRunByProcess: measured.floor.map(({ figures }) => figures),
    checked,
  },
});
