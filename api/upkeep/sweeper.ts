// Every few seconds: starts accepted runs that no workflow has taken up, wakes runs that were told to stop and have
// not, gives free places to those who wait for one, and closes the accounts of those that have ended. All of it is safe
// to repeat; nothing accepted depends on anybody having lived to do it at the time. No part, no tenant and no run keeps
// another back.
import type { Logger } from 'pino';
import { closeEnded, givePlaces } from '../../activities/store/lifecycle/after-end.ts';
import { listUnclosed } from '../../activities/store/allowances/allowances.ts';
import { listUntold, tellCrossings } from '../../activities/store/allowances/crossings.ts';
import type { EventLog } from '../../activities/store/log/events.ts';
import { answerWithRoom, listAnswerable } from '../../activities/store/approvals/money-questions.ts';
import { tenantsWaiting } from '../../activities/store/allowances/run-places.ts';
import { listUndrained, listUnstarted, type RunRow } from '../../activities/store/runs/runs.ts';
import { isStoreOutage } from '../../activities/store/db/database.ts';
import type { TemporalRuns } from './executions.ts';

export interface Loop {
  /** Resolves when no pass is under way any more. */
  close(): Promise<void>;
}

// What a person who just sent something is ready to wait when Temporal was away at that moment.
const everyMs = 5000;
// The first try is the accepting request's own; it gives up after a second.
const notBeforeMs = 2000;
// One pass must not flood a Temporal server that just came back; the next pass takes the rest.
const mostPerPass = 200;
const pageSize = 500;

export function createSweeper(input: {
  log: EventLog;
  runs: TemporalRuns;
  logger: Logger;
  everyMs?: number;
}): Loop {
  const { log, runs, logger } = input;

  /** Where Postgres or a lock is the trouble the next pass begins with the same; what is wrong with one is skipped. */
  async function eachOf<Item>(
    items: readonly Item[],
    doing: string,
    act: (item: Item) => Promise<void>,
  ): Promise<void> {
    for (const item of items) {
      try {
        await act(item);
      } catch (error) {
        if (isStoreOutage(error)) throw error;
        logger.error({ err: error, item }, `the sweeper could not ${doing}`);
      }
    }
  }

  /** Those Temporal has not heard of as far as we know; any number may wait in front of them for a worker. */
  async function unstarted(): Promise<RunRow[]> {
    const found: RunRow[] = [];
    let after: string | undefined;
    for (;;) {
      const page = await listUnstarted(log.db, notBeforeMs, pageSize, after);
      found.push(...page.filter((run) => !runs.isStarted(run)));
      if (page.length < pageSize || found.length >= mostPerPass) return found.slice(0, mostPerPass);
      after = page.at(-1)?.id;
    }
  }

  let lookedAt: string | undefined;

  /** Lets go on, oldest first, as many of those that wait for an allowance as there is room for in it again. */
  async function answerFitting(): Promise<void> {
    const { found, last } = await listAnswerable(log.db, mostPerPass, lookedAt);
    lookedAt = last;
    await eachOf(found, 'answer a question', async (question) => {
      if (await log.write('answer-with-room', (write) => answerWithRoom(write, question)))
        runs.wake(question.run_id);
    });
  }

  async function giveAllPlaces(): Promise<void> {
    await eachOf(await tenantsWaiting(log.db), 'give places to a tenant', async (tenantId) => {
      for (const run of await givePlaces(log, tenantId)) runs.started(run);
    });
  }

  let unclosedAfter: string | undefined;

  async function closeAccounts(): Promise<void> {
    const page = await listUnclosed(log.db, mostPerPass, unclosedAfter);
    await eachOf(page, 'close the account of a run', (of) => closeEnded(log, of));
    unclosedAfter = page.length < mostPerPass ? undefined : page.at(-1)?.runId;
  }

  async function tellUntold(): Promise<void> {
    const untold = await listUntold(log.db, notBeforeMs, mostPerPass);
    await eachOf(untold, 'tell of a threshold', ({ run, crossing }) => tellCrossings(log, run, [crossing]));
  }

  // What somebody waits for comes first.
  const parts: [name: string, act: () => Promise<void>][] = [
    ['starting runs', async () => (await unstarted()).forEach((run) => runs.started(run))],
    [
      'waking runs',
      async () => (await listUndrained(log.db, notBeforeMs, mostPerPass)).forEach(({ id }) => runs.wake(id)),
    ],
    ['giving free places', giveAllPlaces],
    ['answering for allowances', answerFitting],
    ['closing accounts', closeAccounts],
    ['telling of thresholds', tellUntold],
  ];

  return repeat(input.everyMs ?? everyMs, logger, 'the sweeper', async () => {
    for (const [name, act] of parts)
      await act().catch((error: unknown) => report(logger, `the sweeper, ${name},`, error));
    await runs.settled();
  });
}

/** An outage is waited out, anything else is a bug. */
function report(logger: Logger, name: string, error: unknown): void {
  if (isStoreOutage(error)) logger.warn({ err: error }, `${name} could not reach Postgres`);
  else logger.error({ err: error }, `${name} failed`);
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
