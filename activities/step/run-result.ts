// What a run that has ended came to, as its workflow closes with it.
import type { RunResult } from '../../workflows/contracts/activities.ts';
import type { RunStatus, StopReason } from '../../workflows/contracts/run.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import type { RunRow } from '../store/runs/runs.ts';

/** Undefined while the run is active. */
export function runResultOf(run: RunRow): RunResult | undefined {
  const status = run.status as RunStatus;
  if (!isTerminal(status)) return undefined;
  return { status, reason: run.reason as StopReason, steps: run.steps, costMicros: run.cost_micros };
}
