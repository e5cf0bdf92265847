// A look at a subagent, in words for its parent: bounded, and nothing of it is locked.
import type { Queries } from '../db/database.ts';
import type { RunRow } from '../runs/runs.ts';
import { placeInTree } from './delegations.ts';

// The end of what it says tells how far it is.
const mostText = 2000;
const mostCalls = 10;

/** The latest subagent of that name that this run has, or that the same run before it in the conversation had. */
export async function peekAt(queries: Queries, run: RunRow, name: string): Promise<string | undefined> {
  const path = `${(await placeInTree(queries, run))?.path ?? ''}/${name}`;
  const child = await queries
    .selectFrom('delegations')
    .innerJoin('runs', 'runs.id', 'delegations.child_id')
    .select(['runs.id', 'runs.status', 'runs.steps', 'runs.reason_text'])
    .where('delegations.conversation_id', '=', run.conversation_id)
    .where(({ eb, and, or }) =>
      or([
        eb('delegations.path', '=', path),
        and([eb('delegations.parent_id', '=', run.id), eb('delegations.name', '=', name)]),
      ]),
    )
    .orderBy('runs.id', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (!child) return undefined;
  const said = await queries
    .selectFrom('messages')
    .select('text')
    .where('run_id', '=', child.id)
    .where('role', '=', 'assistant')
    .where('text', '<>', '')
    .orderBy('step', 'desc')
    .limit(1)
    .executeTakeFirst();
  const calls = await queries
    .selectFrom('calls')
    .select(['tool', 'subject', 'status'])
    .where('run_id', '=', child.id)
    .orderBy('step', 'desc')
    .orderBy('index', 'desc')
    .limit(mostCalls)
    .execute();
  return [
    `${name}: ${child.status} after ${child.steps} steps. ${child.reason_text ?? ''}`.trim(),
    ...(said ? [`It said last: ${said.text.slice(-mostText).toWellFormed()}`] : []),
    ...(calls.length > 0 ? ['Its last calls, the newest first:'] : []),
    ...calls.map(({ tool, subject, status }) => `- ${tool} ${subject.slice(0, 200)}: ${status}`),
  ].join('\n');
}
