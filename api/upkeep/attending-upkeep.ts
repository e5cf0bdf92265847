// Upkeep of executions that attend rows which go on without them: one that has lost its workflow is given another.
import type { Db } from '../../activities/store/db/database.ts';
import type { ExecutionTable } from '../../activities/store/db/execution-table.ts';
import type { Executions } from './executions.ts';
import type { ExecutionRow, Kind } from './kind.ts';
import type { Chore, Upkeep } from './upkeep.ts';

export interface Attending<Row extends ExecutionRow> {
  kind: Kind<Row>;
  executions: Executions<Row>;
  table: Pick<ExecutionTable<Row>, 'giveAnother' | 'markStuck'>;
  chores?: readonly Chore[];
}

export function attendingUpkeep<Row extends ExecutionRow>(
  db: Db,
  { kind, executions, table, chores = [] }: Attending<Row>,
): Upkeep<Row> {
  return {
    ...{ kind, executions, chores },
    async endLost(row) {
      const handed = await table.giveAnother(db, row);
      if (handed) executions.started(handed);
      // It has not ended: what it attends goes on.
      return false;
    },
    markStuck: (row, tries) =>
      table.markStuck(
        db,
        row,
        `Its workflow task has failed ${tries} times in a row; the worker's log says why.`,
      ),
    async markGoingOn(row) {
      await table.markStuck(db, row, null);
    },
  };
}
