// A task as its row says it, and its claims.
import type { Selectable } from 'kysely';
import { priorities } from '../../../workflows/contracts/run.ts';
import type {
  claimOutcomes,
  TaskClaimView,
  TaskRun,
  TaskStatus,
  TaskView,
  TaskWithClaimsView,
} from '../../../workflows/contracts/task.ts';
import type { TaskClaims, Tasks } from '../db/tables.ts';

export type TaskRow = Omit<Selectable<Tasks>, 'run' | 'status'> & { run: TaskRun; status: TaskStatus };
export type ClaimRow = Selectable<TaskClaims>;
export type ClaimOutcome = (typeof claimOutcomes)[number];

export function taskOf(row: Selectable<Tasks>): TaskRow {
  return { ...row, run: row.run as unknown as TaskRun, status: row.status as TaskStatus };
}

export function toTaskView(row: TaskRow): TaskView {
  return {
    id: row.id,
    title: row.title,
    prompt: row.prompt,
    priority: priorities[row.priority] ?? 'normal',
    labels: row.labels,
    files: row.files,
    acceptance: row.acceptance,
    dependsOn: row.depends_on,
    run: row.run,
    status: row.status,
    progress: row.progress,
    note: row.note,
    retries: row.retries,
    attempts: row.attempts,
    lastAttemptAt: row.last_attempt_at?.toISOString() ?? null,
    reason: row.reason,
    againAt: row.again_at?.toISOString() ?? null,
    claim: row.claim,
    executorId: row.executor_id,
    claimedAt: row.claimed_at?.toISOString() ?? null,
    runId: row.run_id,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    createdBy: row.created_by,
    updatedAt: row.updated_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}

export function toTaskWithClaims(row: TaskRow, claims: readonly ClaimRow[]): TaskWithClaimsView {
  return { ...toTaskView(row), claims: claims.map(toClaimView) };
}

function toClaimView(row: ClaimRow): TaskClaimView {
  return {
    claim: row.claim,
    executorId: row.executor_id,
    executor: row.executor,
    runId: row.run_id,
    claimedAt: row.claimed_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
    outcome: row.outcome as ClaimOutcome | null,
    reason: row.reason,
    late: row.late,
  };
}

const message = /^task\/(.+)\/\d+$/;

/** The id of the message that a claim sends: sent twice, it is one run. */
export function taskMessage(id: string, claim: number): string {
  return `task/${id}/${claim}`;
}

/** Whose run it is, by that; undefined for any other run. */
export function taskOfRun({ message_id: id }: { message_id: string }): string | undefined {
  return message.exec(id)?.[1];
}
