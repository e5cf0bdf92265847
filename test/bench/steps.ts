// B3, step overhead: the gap between the end of one activity and the start of the next inside a run's loop, out of
// Temporal's own histories, against the same gap in the bare loop. Tools return at once, one run at a time.
import type { Client } from '@temporalio/client';
import { tsToMs } from '@temporalio/common/lib/time.js';
import { workflowId } from '../../workflows/contracts/messages.ts';
import { openClient } from '../../worker/processes/temporal-client.ts';
import { startEngine } from './harness/engine.ts';
import { measurePairs, percentile, report, type Sample, settings, spreadOf } from './harness/pairs.ts';
import { startProduct } from './harness/product.ts';
import { checkRows } from './harness/rows.ts';

// Long enough that beginning and end of a run do not count, short enough for dozens of runs in a stretch.
const toolSteps = 10;
const calls = [{ name: 'todo', input: { items: [] } }];

await using product = await startProduct({ pieces: 1, pauseMs: 0, toolSteps, calls });
const { platform } = product;
await using engine = await startEngine({
  temporalAddress: platform.temporalAddress,
  modelUrl: product.model.url,
});
const client = openClient({ temporalAddress: platform.temporalAddress, temporalNamespace: 'perdure' });

const gaps = { ours: [] as number[][], floor: [] as number[][] };
const steps = { ours: [] as number[][], floor: [] as number[][] };

async function stretch(seconds: number, side: 'ours' | 'floor', temporal: Client): Promise<Sample> {
  const end = Date.now() + seconds * 1000;
  const ids: string[] = [];
  const took: number[] = [];
  while (Date.now() < end) {
    const begun = performance.now();
    ids.push(await (side === 'ours' ? oneRun() : oneBareRun()));
    took.push((performance.now() - begun) / toolSteps);
  }
  const found: number[] = [];
  for (const id of ids) found.push(...(await gapsOf(temporal, id)));
  gaps[side].push(found);
  steps[side].push(took);
  return { units: ids.length * toolSteps };
}

async function oneRun(): Promise<string> {
  const id = await product.startRun();
  await product.read(`/runs/${id}/stream`, ({ type }) => type === 'run-end');
  return workflowId('run', id);
}

async function oneBareRun(): Promise<string> {
  const handle = await engine.start({ toolSteps, calls });
  await handle.result();
  return handle.workflowId;
}

/** From each completion of a model or tool call to the start of the next one, in milliseconds. */
async function gapsOf(temporal: Client, id: string): Promise<number[]> {
  const { events } = await temporal.workflow.getHandle(id).fetchHistory();
  const working = new Set<string>();
  const found: number[] = [];
  let endedAt: number | undefined;
  for (const event of events ?? []) {
    const at = tsToMs(event.eventTime);
    const type = event.activityTaskScheduledEventAttributes?.activityType?.name;
    if (type === 'callModel' || type === 'runTool') working.add(String(event.eventId));
    const started = event.activityTaskStartedEventAttributes?.scheduledEventId;
    if (started && working.has(String(started)) && endedAt !== undefined) found.push(at - endedAt);
    const completed = event.activityTaskCompletedEventAttributes?.scheduledEventId;
    if (completed && working.has(String(completed))) endedAt = at;
  }
  return found;
}

await measurePairs({
  name: 'steps',
  floor: { name: 'bare loop', measure: (seconds) => stretch(seconds, 'floor', engine.client) },
  ours: { name: 'agent loop', measure: (seconds) => stretch(seconds, 'ours', client) },
  settings: settings(),
});
const checked = await checkRows(platform.databaseUrl);
await client.connection.close();

// The first stretch of each is the warm-up.
function ratioOf(of: typeof gaps, share: number) {
  const ratios = of.ours.slice(1).map((ours, index) => {
    return percentile(ours, share) / percentile(of.floor[index + 1] ?? [], share);
  });
  return spreadOf(ratios);
}
function all(values: number[][]) {
  const flat = values.slice(1).flat();
  return { p50: percentile(flat, 0.5), p99: percentile(flat, 0.99), count: flat.length };
}

const half = ratioOf(gaps, 0.5);
const late = ratioOf(gaps, 0.99);
const whole = ratioOf(steps, 0.5);
const ours = all(gaps.ours);
report({
  name: 'B3 step overhead',
  checks: [
    {
      what: 'gap, p50 against the bare loop',
      value: half.median,
      target: 1.15,
      mustReach: 1.5,
      higherIsBetter: false,
    },
    {
      what: 'gap, p99 against the bare loop',
      value: late.median,
      target: 1.15,
      mustReach: 1.5,
      higherIsBetter: false,
    },
    {
      what: 'gap, p50 in ms',
      value: ours.p50,
      target: 15,
      mustReach: 1.5 * all(gaps.floor).p50,
      higherIsBetter: false,
    },
  ],
  figures: {
    half,
    late,
    // A whole step, activities with their rows included: what the gap leaves out.
    wholeStep: whole,
    milliseconds: {
      gap: ours,
      floorGap: all(gaps.floor),
      step: all(steps.ours),
      floorStep: all(steps.floor),
    },
    checked,
  },
});
