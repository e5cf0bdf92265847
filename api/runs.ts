// What the API asks of the workflows of runs. Every call comes after the rows it is about have been committed.
import type { RunRow } from '../activities/store/runs.ts';

export interface Runs {
  /** Starts the workflow of an accepted run. Never throws: the sweeper repairs what did not work. */
  started(run: RunRow): void;
  /** Tells a run's workflow that there is something for it in Postgres. Never throws either. */
  wake(runId: string): void;
  /** Ends a run's execution that cannot go on and starts another. Throws when Temporal cannot be asked. */
  retryRun(run: RunRow): Promise<void>;
}
