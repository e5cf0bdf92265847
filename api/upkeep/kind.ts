// A kind of execution: rows that have a workflow each (a run is one). A kind says how its workflow is started and which
// of its rows need something; starting, waking, sweeping and reconciling are written once over all kinds.
import type { Priority, SearchAttributePair } from '@temporalio/common';
import type { Db } from '../../activities/store/db/database.ts';
import type { WorkflowKind } from '../../workflows/contracts/messages.ts';

/** What the rows of every kind say. */
export interface ExecutionRow {
  id: string;
  /** Which of its executions it is at: a person may give it another. */
  generation: number;
  /** Null until that execution has begun. */
  execution_id: string | null;
  /** Why it does not go on; null for all that is well. */
  stuck: string | null;
}

/** What a workflow is started with. */
export interface WorkflowStart {
  input: object;
  priority: Priority;
  searchAttributes: SearchAttributePair[];
  /** What Temporal's UI shows of it in one line, at most 200 characters. */
  summary: string;
  /** The same in Markdown, as long as it needs. */
  details: string;
}

export interface Kind<Row extends ExecutionRow = ExecutionRow> {
  /** As in its workflow ids, and in logs. */
  name: WorkflowKind;
  workflowType: string;
  startOf(row: Row): WorkflowStart;
  /** Accepted a while ago and not begun, by id: starting their workflow once more cannot hurt. */
  listUnstarted(db: Db, olderThanMs: number, limit: number, afterId?: string): Promise<Row[]>;
  /** Those whose rows hold something that their workflow should have read by now. */
  listUndrained(db: Db, olderThanMs: number, limit: number): Promise<{ id: string }[]>;
  /** Those whose workflows should exist, begun or not, by id. */
  listActive(db: Db, limit: number, afterId?: string): Promise<Row[]>;
}
