// The loop of a run: call the model, run what it asked for, until it has answered, a limit is reached or a
// person stops it. Plain code: Temporal comes in through the ports. It is replayed, so which activities it calls in
// which order changes only behind a patch.
import type {
  BeginRunResult,
  CallModelResult,
  Doubt,
  FinishRunInput,
  PlannedCall,
  RunResult,
  RunToolResult,
} from '../contracts/activities.ts';
import type { RunStatus } from '../contracts/run.ts';
import { inOrder, isOrdered, type Turn } from './order.ts';

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
  /**
   * Resolves when the project is recorded as it was: no call may change it before. To undefined: the run goes on.
   * Returns undefined where nothing is being recorded: an older execution must not wait even for a moment.
   */
  recorded(): Promise<RunEnding | undefined> | undefined;
  /** `after`: it is not made because of that call, and its result says so. */
  runTool(call: PlannedCall, after?: Doubt): Promise<RunToolResult>;
  /** Waits for the end of a call that other runs bring about. */
  closed(callId: string): Promise<void>;
  /** False: the execution has already made these calls side by side, before there was an order. */
  keepsOrder(): boolean;
  /** False: something came in that must be applied first. */
  finish(step: number, ending: RunEnding): Promise<boolean>;
  /** Runs work until it is done, the run is stopped, its time is up, or it fails for good. */
  guard<T>(work: () => Promise<T>): Promise<Guarded<T>>;
  /** Waits for a person's answer. */
  allowed(waits: string): Promise<boolean>;
  /** The run has ended, with its answer or before this execution had begun it. */
  ended(status: RunStatus, result: RunResult | undefined): void;
  /** Called between steps; does not return when the workflow continues as new. */
  betweenSteps(step: number): Promise<void>;
}

const finished: RunEnding = { outcome: 'succeeded', reason: 'finished' };
const interrupted: RunEnding = { outcome: 'stopped', reason: 'interrupted' };

export async function runLoop(
  ports: LoopPorts,
  begun: Pick<BeginRunResult, 'step' | 'openCalls' | 'ends'>,
): Promise<void> {
  let { step } = begun;
  let pauses = 0;

  async function isOver(ending: RunEnding | undefined): Promise<boolean> {
    if (ending && (await ports.finish(step, ending))) return true;
    await ports.betweenSteps(step);
    return false;
  }

  // What an execution finds of the last step when it takes a run over.
  if (begun.openCalls.length > 0 || begun.ends) {
    const ending = await makeCalls(ports, begun.openCalls);
    if (await isOver(ending ?? (begun.ends ? finished : undefined))) return;
  }
  for (;;) {
    const asked = await ports.guard(() => ports.callModel(step + 1, pauses));
    const answer = asked.kind === 'done' ? asked.value : asked;
    let ending: RunEnding | undefined;
    let recording: ReturnType<LoopPorts['recorded']>;
    switch (answer.kind) {
      case 'foreign':
        if (answer.result) ports.ended(answer.result.status, answer.result);
        return;
      case 'ended':
        ending = answer.ending;
        break;
      case 'stopped':
        ending = interrupted;
        break;
      case 'limit':
        ending = {
          outcome: 'failed',
          reason: answer.reason,
          ...(answer.detail && { detail: answer.detail }),
        };
        break;
      case 'paused':
        pauses += 1;
        ending = await endingOfPause(ports, answer);
        // The same step once more.
        if (!ending) continue;
        break;
      case 'answer':
        if (answer.ended) return ports.ended(answer.ended, answer.result);
        step += 1;
        pauses = 0;
        recording = ports.recorded();
        ending = (recording && (await recording)) ?? finished;
        break;
      case 'calls':
        step += 1;
        pauses = 0;
        recording = ports.recorded();
        ending = (recording && (await recording)) ?? (await makeCalls(ports, answer.calls));
        if (answer.finish) ending ??= finished;
        break;
    }
    if (await isOver(ending)) return;
  }
}

/** Undefined: there is money again. */
async function endingOfPause(
  ports: LoopPorts,
  { waits, reason }: Extract<CallModelResult, { kind: 'paused' }>,
): Promise<RunEnding | undefined> {
  const answer = await ports.guard(() => ports.allowed(waits));
  if (answer.kind === 'ended') return answer.ending;
  return answer.value ? undefined : { outcome: 'failed', reason };
}

/**
 * In the order written where that matters, else side by side; every one has come to its end before the first failure is
 * passed on. Undefined: the run goes on with their results.
 */
async function makeCalls(ports: LoopPorts, calls: PlannedCall[]): Promise<RunEnding | undefined> {
  if (calls.length === 0) return undefined;
  const made = await ports.guard(async () => {
    const results =
      isOrdered(calls) && ports.keepsOrder()
        ? await inOrder(calls, (call, turn) => makeInTurn(ports, call, turn))
        : await Promise.allSettled(
            calls.map(async (call) => {
              if (call.decision !== 'ask' || (await ports.allowed(call.callId))) {
                const { status } = await ports.runTool(call);
                if (status === 'waiting') await ports.closed(call.callId);
              }
            }),
          );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  });
  return made.kind === 'ended' ? made.ending : undefined;
}

/** How the call ended; undefined: it was not made. */
async function makeInTurn(
  ports: LoopPorts,
  call: PlannedCall,
  turn: Promise<Turn>,
): Promise<string | undefined> {
  const { callId, decision } = call;
  // People are asked about all calls at once, and the run's clock stands still until they have answered.
  const allowed = decision === 'ask' ? ports.allowed(callId) : undefined;
  // A stop that comes before the turn is handled where the turn is awaited.
  allowed?.catch(() => undefined);
  const { broken, doubt } = await turn;
  if (broken) return undefined;
  if (doubt) {
    const { status } = await ports.runTool(call, doubt);
    // The question was withdrawn with it: a look into the rows ends the wait for its answer.
    if (allowed) await ports.allowed(callId);
    return status;
  }
  if (allowed && !(await allowed)) return undefined;
  const { status } = await ports.runTool(call);
  if (status === 'waiting') await ports.closed(callId);
  return status;
}
