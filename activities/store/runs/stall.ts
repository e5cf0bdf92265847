// Whether a run gets anywhere. Progress is a result of writing, of a command or of a caller's own tool, or a person's
// answer, that none of the last few had; a run without any for long is asked to plan anew, and in the end stopped.
import { createHash } from 'node:crypto';
import type { NewEvent } from '../../../workflows/contracts/event.ts';
import type { PolicyProfile } from '../../../workflows/contracts/policy.ts';
import type { Write } from '../log/events.ts';
import type { RunRow } from './runs.ts';

export type StallLimits = NonNullable<PolicyProfile['stall']>;

// Going round between three states is then no progress; between four is rare enough.
const mostRecent = 3;
// "Done" says nothing of what was done: results this short are told apart by what was asked for as well.
const tellingLength = 200;

type Progress = Pick<RunRow, 'progress_step' | 'recent_outputs'>;

/** What the result of a call changes about its run; undefined when it is no progress, or progress is not watched. */
export function progressOf(
  run: RunRow,
  call: { step: number; effect: string | null; progress: boolean | null; input_hash: string },
  result: { status: string; output: string },
): Progress | undefined {
  const { effect, step } = call;
  const counts = call.progress ?? (effect !== 'read' && effect !== 'network');
  if (run.stall === null || result.status !== 'succeeded' || !counts) return undefined;
  const told = result.output.length < tellingLength ? `${call.input_hash} ${result.output}` : result.output;
  const hash = createHash('sha256').update(told).digest('hex').slice(0, 16);
  if (run.recent_outputs.includes(hash)) return undefined;
  return {
    progress_step: Math.max(run.progress_step, step),
    recent_outputs: [hash, ...run.recent_outputs].slice(0, mostRecent),
  };
}

/** `stalled`: asked to plan anew often enough. */
export type Stall = { kind: 'none' } | { kind: 'stalled' } | { kind: 'replan'; events: NewEvent[] };

/**
 * Looks at a run, whose lock the caller holds, before a step. A run that has stalled is told to plan anew, in a
 * message of this step, and counts from there; so it does when a person has said something new to it.
 */
export async function judgeStall(
  write: Write,
  run: RunRow,
  { step, hasMessages }: { step: number; hasMessages: boolean },
): Promise<Stall> {
  const limits = run.stall as unknown as StallLimits | null;
  if (limits === null || run.steps - run.progress_step < limits.steps) return { kind: 'none' };
  if (!hasMessages && run.replans >= limits.replans) return { kind: 'stalled' };
  const replans = hasMessages ? run.replans : run.replans + 1;
  Object.assign(run, { progress_step: run.steps, replans });
  await write.tx
    .updateTable('runs')
    .set({ progress_step: run.progress_step, replans })
    .where('id', '=', run.id)
    .execute();
  if (hasMessages) return { kind: 'none' };
  await write.tx
    .insertInto('messages')
    .values({
      run_id: run.id,
      tenant_id: run.tenant_id,
      step,
      phase: 0,
      position: 0,
      role: 'user',
      internal: true,
      text: noteFor(limits, replans),
    })
    .execute();
  return { kind: 'replan', events: [{ type: 'stall', payload: { step, replans } }] };
}

function noteFor({ steps, replans }: StallLimits, count: number): string {
  const left = replans - count;
  const then =
    left === 0 ? 'the run is stopped' : `you are asked again, ${left} more time${left === 1 ? '' : 's'}`;
  return (
    `Nothing has come of the last ${steps} steps: no file was changed, and no command and no person answered anything new. Stop and ` +
    'plan anew: say in a few sentences what you know, what is in the way, and what you will do differently. Where ' +
    `only a person can help, finish and say what you need. After ${steps} more steps like these ${then}.`
  );
}
