// B2, start latency: from POST /runs to the first event seen over SSE and to the first token seen, against a bare
// workflow's start to its first activity's first line and to the first token in it. One run at a time.
import { openClient } from '../../worker/processes/temporal-client.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';
import { startEngine } from './harness/engine.ts';
import { openTrace } from './harness/trace.ts';
import { measurePairs, percentile, report, type Sample, settings, spreadOf } from './harness/pairs.ts';
import { now, startProduct } from './harness/product.ts';
import { checkRows } from './harness/rows.ts';

const given = settings();
await using trace = given.trace ? await openTrace() : undefined;
await using product = await startProduct(
  { pieces: 3, pauseMs: 0, toolSteps: 0, calls: [] },
  trace?.environment,
);
const { platform } = product;
await using engine = await startEngine({
  temporalAddress: platform.temporalAddress,
  modelUrl: product.model.url,
});
const temporal = openClient({ temporalAddress: platform.temporalAddress, temporalNamespace: 'perdure' });

/** Milliseconds from the start of one run. */
interface Start {
  first: number;
  token: number;
}
const traced = new Map<string, { begun: number; token: number }>();
const starts = { ours: [] as Start[][], floor: [] as Start[][] };

async function oneAfterTheOther(
  seconds: number,
  into: Start[][],
  one: () => Promise<Start>,
): Promise<Sample> {
  const end = Date.now() + seconds * 1000;
  const measured: Start[] = [];
  while (Date.now() < end) measured.push(await one());
  into.push(measured);
  return { units: measured.length };
}

async function oneRun(): Promise<Start> {
  const begun = now();
  const id = await product.startRun();
  const start: Start = { first: 0, token: 0 };
  const seen = { begun, token: 0 };
  await product.read(`/runs/${id}/stream`, ({ type, at }) => {
    start.first ||= at - begun;
    if (type === 'text-delta') {
      start.token ||= at - begun;
      seen.token ||= at;
    }
    return type === 'run-end';
  });
  traced.set(id, seen);
  // As the floor's, so that the end of one run does not take part in the start of the next.
  await temporal.workflow.getHandle(workflowId('run', id)).result();
  return start;
}

async function oneBareRun(): Promise<Start> {
  const begun = now();
  const handle = await engine.start({ toolSteps: 0, calls: [] });
  const { startedAt, firstTokenAt } = await handle.result();
  return { first: startedAt - begun, token: firstTokenAt - begun };
}

await measurePairs({
  name: 'start',
  floor: { name: 'bare workflow', measure: (seconds) => oneAfterTheOther(seconds, starts.floor, oneBareRun) },
  ours: { name: 'runs', measure: (seconds) => oneAfterTheOther(seconds, starts.ours, oneRun) },
  // Two or three hundred starts a side are enough.
  settings: { ...given, seconds: given.seconds / 2 },
});
const checked = await checkRows(platform.databaseUrl);
await temporal.connection.close();

// The first stretch of each is the warm-up.
const pairs = starts.ours.slice(1).map((ours, index) => ({ ours, floor: starts.floor[index + 1] ?? [] }));
function ratioOf(figure: keyof Start, share: number) {
  const of = (side: Start[]): number =>
    percentile(
      side.map((start) => start[figure]),
      share,
    );
  return spreadOf(pairs.map(({ ours, floor }) => of(ours) / of(floor)));
}
function all(side: 'ours' | 'floor', figure: keyof Start) {
  const values = starts[side]
    .slice(1)
    .flat()
    .map((start) => start[figure]);
  return { p50: percentile(values, 0.5), p99: percentile(values, 0.99), count: values.length };
}

const first = ratioOf('first', 0.5);
const firstLate = ratioOf('first', 0.99);
const token = ratioOf('token', 0.5);
const tokenLate = ratioOf('token', 0.99);
const added = all('ours', 'token').p50 - all('floor', 'token').p50;
const lower = { higherIsBetter: false };
report({
  name: 'B2 start latency',
  checks: [
    {
      what: 'first event, p50 against the first line',
      value: first.median,
      target: 1.25,
      mustReach: 2,
      ...lower,
    },
    {
      what: 'first event, p99 against the same',
      value: firstLate.median,
      target: 1.5,
      mustReach: 2,
      ...lower,
    },
    { what: 'first token, p50 against its own', value: token.median, target: 1.25, mustReach: 2, ...lower },
    {
      what: 'first token, p99 against the same',
      value: tokenLate.median,
      target: 1.5,
      mustReach: 2,
      ...lower,
    },
    // At most twice the floor: the milliseconds added are at most those of the floor.
    {
      what: 'ms added to the first token',
      value: added,
      target: 10,
      mustReach: all('floor', 'token').p50,
      ...lower,
    },
  ],
  figures: {
    first,
    firstLate,
    token,
    tokenLate,
    milliseconds: {
      firstEvent: all('ours', 'first'),
      firstLine: all('floor', 'first'),
      token: all('ours', 'token'),
      floorToken: all('floor', 'token'),
    },
    ...(trace && { millisecondsToToken: await trace.parts(traced) }),
    checked,
  },
});
