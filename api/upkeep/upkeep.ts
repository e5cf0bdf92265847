// What the server's loops do for a kind of execution, and how a loop goes: one pass at a time, and neither an outage
// nor one item's trouble ends it.
import type { Logger } from 'pino';
import { isStoreOutage } from '../../activities/store/db/database.ts';
import type { Executions } from './executions.ts';
import type { ExecutionRow, Kind } from './kind.ts';

export interface Upkeep<Row extends ExecutionRow = ExecutionRow> {
  kind: Kind<Row>;
  executions: Executions<Row>;
  /** Ends what has lost its workflow. False when that is not so any more. */
  endLost(row: Row): Promise<boolean>;
  /** Its workflow task keeps failing. False when there is nothing to mark any more. */
  markStuck(row: Row, tries: number): Promise<boolean>;
  markGoingOn(row: Row): Promise<void>;
  /** What else the sweeper repairs for it, in this order. */
  chores: readonly Chore[];
}

export interface Chore {
  /** As in "the sweeper, giving free places, failed". */
  name: string;
  act(): Promise<void>;
}

export interface Loop {
  /** Resolves when no pass is under way any more. */
  close(): Promise<void>;
}

/** One pass at a time, the next a while after the last; an outage is waited out, anything else is logged. */
export function repeat(pauseMs: number, logger: Logger, name: string, pass: () => Promise<void>): Loop {
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let passing: Promise<void> = Promise.resolve();

  function next(): void {
    if (closed) return;
    timer = setTimeout(() => {
      passing = pass()
        .catch((error: unknown) => report(logger, name, error))
        .then(next);
    }, pauseMs);
  }

  next();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await passing;
    },
  };
}

/** An outage is waited out, anything else is a bug. */
export function report(logger: Logger, name: string, error: unknown): void {
  if (isStoreOutage(error)) logger.warn({ err: error }, `${name} could not reach where it stores`);
  else logger.error({ err: error }, `${name} failed`);
}

/** Where Postgres or a lock is the trouble the next pass begins with the same; what is wrong with one is skipped. */
export async function eachOf<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<void>,
  skipped: (error: unknown, item: Item) => void,
): Promise<void> {
  for (const item of items) {
    try {
      await act(item);
    } catch (error) {
      if (isStoreOutage(error)) throw error;
      skipped(error, item);
    }
  }
}
