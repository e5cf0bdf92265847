// What agents that are not ours do with tasks: claim one, tell of it, end it. What comes for a claim that counts no more
// is noted and refused: the answer is no failure here, or its note would be taken back with it.
import * as claims from '../../activities/store/tasks/claims.ts';
import { lockDispatcher } from '../../activities/store/tasks/dispatchers.ts';
import { type TaskRow, toTaskWithClaims } from '../../activities/store/tasks/task-row.ts';
import { listClaims } from '../../activities/store/tasks/tasks.ts';
import type { Write } from '../../activities/store/log/events.ts';
import type {
  ClaimTaskBody,
  CompleteTaskBody,
  FailTaskBody,
  ProgressTaskBody,
  TaskWithClaimsView,
} from '../../workflows/contracts/task.ts';
import { tellDispatcher } from './change-task.ts';
import type { Caller, Outcome, Verb, VerbParts } from './verb.ts';

type Of<Body> = Body & { taskId: string };

export const claimTask: Verb<Of<ClaimTaskBody>, TaskWithClaimsView> = async (
  parts,
  write,
  { tenantId },
  { taskId, executorId },
) => {
  const dispatcher = await lockDispatcher(write, tenantId);
  const task = await claims.claimByAgent(write, { tenantId, executorId }, taskId);
  // From now on it looks whether the agent falls silent.
  return { body: await withClaims(write, task), after: () => tellDispatcher(parts, dispatcher) };
};

export const pullTask: Verb<ClaimTaskBody, { task: TaskWithClaimsView | null }> = async (
  parts,
  write,
  { tenantId },
  { executorId },
) => {
  const dispatcher = await lockDispatcher(write, tenantId);
  const task = await claims.pullTask(write, { tenantId, executorId });
  if (!task) return { body: { task: null } };
  return { body: { task: await withClaims(write, task) }, after: () => tellDispatcher(parts, dispatcher) };
};

async function withClaims(write: Write, task: TaskRow): Promise<TaskWithClaimsView> {
  return toTaskWithClaims(task, await listClaims(write.tx, task.id));
}

/** `refused`: what was said counted no more. */
export type Answered = TaskWithClaimsView & { refused?: string };

export const progressTask: Verb<Of<ProgressTaskBody>, Answered> = (
  parts,
  write,
  caller,
  { taskId, claim, progress, note },
) =>
  saying(parts, write, caller, (tenantId) =>
    claims.progressTask(write, { tenantId, taskId, claim }, { progress, note: redacted(parts, note) }),
  );

export const completeTask: Verb<Of<CompleteTaskBody>, Answered> = (
  parts,
  write,
  caller,
  { taskId, claim, note },
) =>
  saying(parts, write, caller, (tenantId) =>
    claims.completeTask(write, { tenantId, taskId, claim }, redacted(parts, note)),
  );

export const failTask: Verb<Of<FailTaskBody>, Answered> = (parts, write, caller, { taskId, claim, reason }) =>
  saying(parts, write, caller, (tenantId) =>
    claims.failTask(write, { tenantId, taskId, claim }, parts.redact(reason)),
  );

function redacted({ redact }: VerbParts, note: string | undefined): string | undefined {
  return note === undefined ? undefined : redact(note);
}

async function saying(
  parts: VerbParts,
  write: Write,
  { tenantId }: Caller,
  say: (tenantId: string) => Promise<claims.Said>,
): Promise<Outcome<Answered>> {
  const dispatcher = await lockDispatcher(write, tenantId);
  const { task, refused } = await say(tenantId);
  const view = await withClaims(write, task);
  if (refused !== undefined) return { body: { ...view, refused } };
  // Progress changes nothing for it.
  if (task.status === 'in_progress') return { body: view };
  return { body: view, after: () => tellDispatcher(parts, dispatcher) };
}
