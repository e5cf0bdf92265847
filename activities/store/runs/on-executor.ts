// What the machine of a run's executor said at its begin: what is read there is told to models by the server.
import type { Selectable } from 'kysely';
import type { ExecutorOfRun } from '../../../workflows/contracts/needed-executor.ts';
import type { Queries } from '../db/database.ts';
import type { Runs } from '../db/tables.ts';

type Row = Selectable<Runs>;

export interface OnExecutor {
  /** Where the run works there; null without a project. */
  place: string | null;
  /** What a model is told of the skills there; left out: none. */
  skills?: string;
}

/** Undefined: it needs no executor, or has not begun there. */
export function onExecutorOf({ on_executor: said }: Pick<Row, 'on_executor'>): OnExecutor | undefined {
  return (said as unknown as OnExecutor | null) ?? undefined;
}

export async function noteOnExecutor(queries: Queries, runId: string, said: OnExecutor): Promise<void> {
  await queries
    .updateTable('runs')
    .set({ on_executor: JSON.stringify(said) })
    .where('id', '=', runId)
    .execute();
}

export function executorViewOf(
  row: Pick<Row, 'executor' | 'executor_silent_at' | 'executor_until'>,
): ExecutorOfRun | null {
  const { executor: name, executor_silent_at: silent, executor_until: until } = row;
  if (name === null) return null;
  return { name, silentSince: silent?.toISOString() ?? null, until: until?.toISOString() ?? null };
}
