// Writes the documents of ended runs, where this server is set to: a slice of them with each pass of the sweeper. What a
// process did not come to, the next one does.
import type { Logger } from 'pino';
import { keepState, listWithoutState } from '../../activities/store/lifecycle/run-state.ts';
import type { Contents } from '../../activities/store/log/contents.ts';
import type { Db } from '../../activities/store/db/database.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { type Chore, eachOf } from './upkeep.ts';

// A fifth of the time between two passes.
const sliceMs = 1000;
const perList = 20;

export function createStateChore({
  db,
  contents,
  logger,
}: {
  db: Db;
  contents: Contents;
  logger: Logger;
}): Chore {
  // Where the last pass stopped: behind those whose document cannot be written come those whose can.
  let last: RunRow | undefined;
  return {
    name: 'keeping state',
    async act() {
      const until = Date.now() + sliceMs;
      const failures: unknown[] = [];
      do {
        const runs = await listWithoutState(db, perList, last);
        await eachOf(
          runs,
          (run) => keepState(db, contents, run),
          (error) => failures.push(error),
        );
        last = runs.length < perList ? undefined : runs.at(-1);
      } while (last !== undefined && Date.now() < until);
      const [err] = failures;
      if (err !== undefined)
        logger.error(
          { err, runs: failures.length },
          'documents of runs could not be written; the next pass tries again',
        );
    },
  };
}
