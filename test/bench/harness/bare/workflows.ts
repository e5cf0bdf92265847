// The floor of the benchmarks: the same shape of work as a run (model, tools side by side, model), with nothing of
// ours around it: no rows, no events, no review, no signals.
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { BareActivities } from './activities.ts';

const { callModel } = proxyActivities<Pick<BareActivities, 'callModel'>>({
  taskQueue: 'llm',
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});
const { runTool } = proxyActivities<Pick<BareActivities, 'runTool'>>({
  taskQueue: 'tools',
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
});

export interface BareRun {
  toolSteps: number;
  calls: { name: string; input: unknown }[];
}

/** Returns when the first activity began and when its first token came, in milliseconds since the epoch. */
export async function bareRun(input: BareRun): Promise<{ startedAt: number; firstTokenAt: number }> {
  const first = await callModel({ step: 0 });
  for (let step = 1; step <= input.toolSteps; step += 1) {
    await Promise.all(input.calls.map((call) => runTool(call)));
    await callModel({ step });
  }
  return first;
}
