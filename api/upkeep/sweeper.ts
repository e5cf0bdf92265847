// Every few seconds, for every kind of execution: starts what was accepted and has no workflow, wakes what has
// something to read, and does the kind's own chores. All of it is safe to repeat, so no accepted work depends on the
// process that accepted it living long enough to do it. No part and no kind keeps another back.
import type { Logger } from 'pino';
import type { Db } from '../../activities/store/db/database.ts';
import type { ExecutionRow } from './kind.ts';
import { type Chore, type Loop, repeat, report, type Upkeep } from './upkeep.ts';

// How long a person is ready to wait when Temporal was away as they sent something.
const everyMs = 5000;
// The first try is the accepting request's own; it gives up after a second.
const notBeforeMs = 2000;
// One pass must not flood a Temporal server that just came back; the next pass takes the rest.
const mostPerPass = 200;
const pageSize = 500;

export function createSweeper(input: {
  db: Db;
  kinds: readonly Upkeep[];
  logger: Logger;
  /** For no kind; done last. */
  chores?: readonly Chore[];
  everyMs?: number;
}): Loop {
  const { db, kinds, logger, chores: others = [] } = input;
  // What a person waits for comes first.
  const chores: Chore[] = [
    ...kinds.map((each) => ({
      name: `starting each ${each.kind.name}`,
      act: () => startUnstarted(db, each),
    })),
    ...kinds.map((each) => ({ name: `waking each ${each.kind.name}`, act: () => wakeUndrained(db, each) })),
    ...kinds.flatMap((each) => each.chores),
    ...others,
  ];
  return repeat(input.everyMs ?? everyMs, logger, 'the sweeper', async () => {
    for (const { name, act } of chores)
      await act().catch((error: unknown) => report(logger, `the sweeper, ${name},`, error));
    await Promise.all(kinds.map(({ executions }) => executions.settled()));
  });
}

/** Those Temporal has not heard of as far as we know; any number may wait in front of them for a worker. */
async function startUnstarted<Row extends ExecutionRow>(
  db: Db,
  { kind, executions }: Upkeep<Row>,
): Promise<void> {
  let after: string | undefined;
  let started = 0;
  for (;;) {
    const page = await kind.listUnstarted(db, notBeforeMs, pageSize, after);
    for (const row of page.filter((each) => !executions.isStarted(each))) {
      executions.started(row);
      started += 1;
      if (started === mostPerPass) return;
    }
    if (page.length < pageSize) return;
    after = page.at(-1)?.id;
  }
}

async function wakeUndrained(db: Db, { kind, executions }: Upkeep): Promise<void> {
  for (const { id } of await kind.listUndrained(db, notBeforeMs, mostPerPass)) executions.wake(id);
}
