// The loop of a run: call the model, run what it asked for, until it has answered, a limit is reached or somebody
// stops it. Plain code: Temporal comes in through the ports. It is replayed, so which activities it calls in
// which order changes only behind a patch.
import type {
  BeginRunResult,
  CallModelResult,
  FinishRunInput,
  PlannedCall,
  RunToolResult,
} from '../contracts/activities.ts';
import type { RunStatus } from '../contracts/run.ts';

export interface RunEnding {
  outcome: FinishRunInput['outcome'];
  reason: FinishRunInput['reason'];
  detail?: string;
}

/** How a piece of work came to its end. `ended`: the run is over, in the way it says. */
export type Guarded<T> = { kind: 'done'; value: T } | { kind: 'ended'; ending: RunEnding };

export interface LoopPorts {
  /** `pauses`: how often this step has waited for money before. */
  callModel(step: number, pauses: number): Promise<CallModelResult>;
  runTool(call: PlannedCall): Promise<RunToolResult>;
  /** False: something came in that must be applied first. */
  finish(step: number, ending: RunEnding): Promise<boolean>;
  /** Runs work until it is done, somebody stops the run, its time is up, or it fails for good. */
  guard<T>(work: () => Promise<T>): Promise<Guarded<T>>;
  /** Waits for a person's word. */
  allowed(waits: string): Promise<boolean>;
  /** The run has ended with its answer. */
  ended(status: RunStatus): void;
  /** Called between steps; does not return when the workflow continues as new. */
  betweenSteps(step: number): Promise<void>;
}

const finished: RunEnding = { outcome: 'succeeded', reason: 'finished' };

export async function runLoop(
  ports: LoopPorts,
  begun: Pick<BeginRunResult, 'step' | 'openCalls'>,
): Promise<void> {
  let step = begun.step;
  let calls = begun.openCalls;
  let pauses = 0;
  for (;;) {
    let ending: RunEnding | undefined;
    if (calls.length === 0) {
      const answer = await ports.guard(() => ports.callModel(step + 1, pauses));
      if (answer.kind === 'ended') {
        ending = answer.ending;
      } else {
        if (answer.value.kind === 'foreign') return;
        if (answer.value.kind === 'answer' && answer.value.ended) {
          ports.ended(answer.value.ended);
          return;
        }
        if (answer.value.kind === 'paused') {
          ending = await pausedEnding(ports, answer.value);
          pauses += 1;
          if (!ending) continue;
        }
        if (answer.value.kind === 'answer' || answer.value.kind === 'calls') {
          step += 1;
          pauses = 0;
        }
        calls = answer.value.kind === 'calls' ? answer.value.calls : [];
        ending ??= endingOf(answer.value);
      }
    }
    if (calls.length > 0) {
      const results = await ports.guard(() => runAll(ports, calls));
      calls = [];
      if (results.kind === 'ended') ending = results.ending;
    }
    if (ending && (await ports.finish(step, ending))) return;
    await ports.betweenSteps(step);
  }
}

function endingOf(answer: Exclude<CallModelResult, { kind: 'foreign' }>): RunEnding | undefined {
  switch (answer.kind) {
    case 'calls':
      return answer.finish ? finished : undefined;
    case 'answer':
      return finished;
    case 'limit':
      return { outcome: 'failed', reason: answer.reason, ...(answer.detail && { detail: answer.detail }) };
    case 'paused':
      return undefined;
    case 'stopped':
      return { outcome: 'stopped', reason: 'interrupted' };
  }
}

/** Undefined: there is money again. */
async function pausedEnding(
  ports: LoopPorts,
  { waits, reason }: Extract<CallModelResult, { kind: 'paused' }>,
): Promise<RunEnding | undefined> {
  const answer = await ports.guard(() => ports.allowed(waits));
  if (answer.kind === 'ended') return answer.ending;
  return answer.value ? undefined : { outcome: 'failed', reason };
}

/** All side by side; every one has come to its end before the first failure is passed on. */
async function runAll(ports: LoopPorts, calls: PlannedCall[]): Promise<void> {
  const results = await Promise.allSettled(
    calls.map(async (call) => {
      if (call.decision !== 'ask' || (await ports.allowed(call.callId))) await ports.runTool(call);
    }),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
