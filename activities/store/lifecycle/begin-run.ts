// The start of a run's execution: exactly one workflow chain may act for it.
import type { Doubt } from '../../../workflows/contracts/activities.ts';
import { streamOf } from '../../../workflows/contracts/event.ts';
import type { EffectiveLimits, RunStatus } from '../../../workflows/contracts/run.ts';
import { isTerminal } from '../../../workflows/run/transitions.ts';
import type { Queries } from '../db/database.ts';
import type { Write } from '../log/events.ts';
import { type LockedRun, lockRun, type RunRow } from '../runs/runs.ts';
import { sql } from 'kysely';
import type { CallRow } from '../calls/calls.ts';
import { isMessage } from '../runs/inputs.ts';
import { nextPosition } from '../runs/messages.ts';
import { endsRun, storedOf } from './answers.ts';

export interface BegunRun {
  run: LockedRun;
  /** Calls of the last step that have no result yet, in call order. */
  openCalls: CallRow[];
  /** The first call of that step whose effect is in doubt. */
  doubt?: Doubt & { index: number };
  /** Nothing but its end comes after that step. */
  ends: boolean;
}

/** Undefined when the run belongs to another execution or has ended: the caller ends without a word. */
export async function beginRun(
  write: Write,
  input: {
    tenantId: string;
    runId: string;
    executionId: string;
    generation: number;
    isScripted(model: string): boolean;
  },
): Promise<BegunRun | undefined> {
  const run = await lockRun(write, input.tenantId, input.runId);
  if (!run || isTerminal(run.status as RunStatus) || run.parked) return undefined;
  if (run.execution_id !== null && run.execution_id !== input.executionId) return undefined;
  // An execution that the run was taken away from may begin once more before it is ended, as after continue-as-new.
  if (run.execution_id === null && input.generation < run.generation) return undefined;
  if (run.execution_id === null) {
    const limits = run.limits as unknown as EffectiveLimits;
    const again = run.started_at !== null;
    // What the execution before it asked people is open still.
    run.status = run.awaiting_since === null ? 'running' : 'awaiting_input';
    run.execution_id = input.executionId;
    run.started_at ??= new Date();
    run.deadline_at ??= new Date(run.started_at.getTime() + limits.seconds * 1000);
    write.send(
      write.tx
        .updateTable('runs')
        .set({
          status: run.status,
          execution_id: run.execution_id,
          started_at: run.started_at,
          deadline_at: run.deadline_at,
          stuck: null,
          // Why it was queued.
          reason_text: null,
        })
        .where('id', '=', run.id)
        .execute(),
    );
    write.append({
      tenantId: run.tenant_id,
      stream: streamOf('run', run.id),
      conversationId: run.conversation_id,
      events: [
        again
          ? { type: 'run-resume', payload: { reason: 'A new execution took the run over.' } }
          : {
              type: 'run-start',
              payload: {
                executionId: input.executionId,
                model: run.model,
                scripted: input.isScripted(run.model),
              },
            },
      ],
    });
  }
  if (run.steps === 0) return { run, openCalls: [], ends: false };
  const last = await storedOf(write, run, run.steps);
  const doubt = last.calls.find(isInDoubt);
  return {
    ...{ run, openCalls: last.calls.filter(isOpen) },
    ends: endsRun(last) && !(await hasMore(write.tx, run)),
    ...(doubt && {
      doubt: { callId: doubt.call_id, index: doubt.index, status: doubt.status as Doubt['status'] },
    }),
  };
}

/** Whether there is a message behind the last step, which the next one has read or is to read. */
async function hasMore(queries: Queries, run: LockedRun): Promise<boolean> {
  return run.waiting.some(isMessage) || (await nextPosition(queries, run.id, run.steps + 1)) > 0;
}

function isOpen({ status }: CallRow): boolean {
  return status === 'requested' || status === 'running';
}

/** What a person has settled by now is in doubt no more. */
function isInDoubt({ status, settled }: CallRow): boolean {
  return settled === null && (status === 'unknown' || status === 'stopped');
}

/** Remembers the project's tree: as the run found it (the first stays), as it left it (the last stays). */
export async function noteTree(
  queries: Queries,
  runId: string,
  when: 'start' | 'end',
  tree: string,
): Promise<void> {
  const update = queries.updateTable('runs').where('id', '=', runId);
  await (when === 'start'
    ? update.set({ start_tree: tree }).where('start_tree', 'is', null)
    : update.set({ end_tree: tree })
  ).execute();
}

/**
 * Takes an active run, whose lock the caller holds, away from its execution, for another to take over from the
 * rows: attempts of the old one can write nothing any more.
 */
export async function handOver(write: Write, run: RunRow): Promise<RunRow> {
  // The fence of an unanswered step stays, held by no attempt: the next to open or end it drops what was streamed.
  await sql`update stream_heads set fences = (
      select coalesce(jsonb_object_agg(unit, 0), '{}') from jsonb_object_keys(fences) as unit
      where unit like 'model/%'
    ) where stream = ${streamOf('run', run.id)}`.execute(write.tx);
  return write.tx
    .updateTable('runs')
    .set((eb) => ({ execution_id: null, stuck: null, generation: eb('generation', '+', 1) }))
    .where('id', '=', run.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}
