// What the end of a run finds of it, read in one look.
import { sql } from 'kysely';
import { type DeniedCalls, mostDeniedListed } from '../../../workflows/contracts/denied-calls.ts';
import type { Queries } from '../db/database.ts';
import type { RunRow } from '../runs/runs.ts';

/** Nearly always there is nothing to close, to refuse or to promote. */
export async function openOf(queries: Queries, run: RunRow) {
  return queries
    .selectNoFrom(({ exists, selectFrom, val }) => [
      exists(
        selectFrom('calls')
          .select(val(1).as('one'))
          .where('run_id', '=', run.id)
          .where('status', 'in', ['requested', 'running']),
      ).as('calls'),
      exists(
        selectFrom('approvals')
          .select(val(1).as('one'))
          .where('run_id', '=', run.id)
          .where('status', '=', 'open'),
      ).as('approvals'),
      exists(
        selectFrom('runs')
          .select(val(1).as('one'))
          .where('conversation_id', '=', run.conversation_id)
          .where('parked', '=', true)
          .where('status', '=', 'queued'),
      ).as('parked'),
      selectFrom('calls')
        .select('output')
        .where('run_id', '=', run.id)
        .where('step', '=', run.steps)
        .where('ends_run', '=', true)
        .where('status', '=', 'succeeded')
        .limit(1)
        .as('lastWord'),
      answerOf(run).as('answer'),
      deniedOf(run.id).as('denied'),
    ])
    .executeTakeFirstOrThrow();
}

/**
 * What the last step said, with the steps before that it continues. A continued step made no calls and has a note behind
 * it; what a person said in between is answered anew.
 */
function answerOf({ id, steps }: RunRow) {
  return sql<string | null>`(select nullif(string_agg(text, '' order by step), '') from messages
    where run_id = ${id} and phase = 1 and step <= ${steps} and step > coalesce((
      select max(case when phase = 0 then step - 1 else step end) from messages as ends
      where run_id = ${id} and step <= ${steps} and (
        (phase = 0 and role = 'user' and not internal)
        or (phase = 1 and step < ${steps} and (calls is not null or not exists (
          select from messages as notes
          where notes.run_id = ends.run_id and notes.step = ends.step and notes.phase = 2 and notes.role = 'user'
        )))
      )), 0))`;
}

/** Calls that were not made because policy or a person said no, or no answer came in time. */
function deniedOf(runId: string) {
  return sql<DeniedCalls>`(select jsonb_build_object('count', count(*), 'items', coalesce(jsonb_agg(
      jsonb_build_object('callId', call_id, 'tool', tool, 'subject', left(subject, 300), 'reason', left(case decision when 'deny' then reason else output end, 300))
      order by place) filter (where place <= ${mostDeniedListed}), '[]'))
    from (select *, row_number() over (order by step, index) as place from calls
      where run_id = ${runId} and status = 'denied') denied)`;
}
