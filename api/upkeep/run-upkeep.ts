// What the server's loops do for runs beside what they do for every kind: free places are given to runs that wait for
// one, questions about money that there is room for again are answered, accounts of ended runs are closed, and reached
// thresholds are told. All of it is safe to repeat. No tenant and no run keeps another back.
import { listUnclosed } from '../../activities/store/allowances/allowances.ts';
import { listUntold, tellCrossings } from '../../activities/store/allowances/crossings.ts';
import { tenantsWaiting } from '../../activities/store/allowances/run-places.ts';
import { answerWithRoom, listAnswerable } from '../../activities/store/approvals/money-questions.ts';
import { afterEnd, closeEnded, givePlaces } from '../../activities/store/lifecycle/after-end.ts';
import { type Book, endLostRun, markGoingOn, markStuck } from '../../activities/store/lifecycle/stuck-run.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { Executions } from './executions.ts';
import { createExecutorChore, type ExecutorChoreInput } from './executor-chore.ts';
import { runKind } from './run-kind.ts';
import { type Chore, eachOf, type Upkeep } from './upkeep.ts';

export interface RunUpkeepInput extends ExecutorChoreInput {
  runs: Executions<RunRow>;
  /** A model call that was under way has been paid for, and nothing else books it any more. */
  book: Book;
}

// The next pass takes the rest.
const mostPerPass = 200;
// A run at a threshold gets a moment to tell of it itself.
const notBeforeMs = 2000;

export function createRunUpkeep(input: RunUpkeepInput): Upkeep<RunRow> {
  const { log, runs, book } = input;
  return {
    kind: runKind,
    executions: runs,
    async endLost(run) {
      const result = await log.write('end-lost-run', (write) => endLostRun(write, run, book));
      if (!result) return false;
      for (const id of result.wakes ?? []) runs.wake(id);
      for (const admitted of await afterEnd(log, result)) runs.started(admitted);
      return result.ended;
    },
    markStuck: (run, tries) => log.write('mark-stuck', (write) => markStuck(write, run, tries)),
    markGoingOn: (run) => log.write('mark-going-on', (write) => markGoingOn(write, run)),
    // What a person waits for comes first.
    chores: [
      givingPlaces(input),
      answeringQuestions(input),
      createExecutorChore(input),
      closingAccounts(input),
      tellingThresholds(input),
    ],
  };
}

function skip({ logger }: RunUpkeepInput, doing: string): (error: unknown, item: unknown) => void {
  return (error, item) => logger.error({ err: error, item }, `the sweeper could not ${doing}`);
}

function givingPlaces(input: RunUpkeepInput): Chore {
  const { log, runs } = input;
  return {
    name: 'giving free places',
    async act() {
      await eachOf(
        await tenantsWaiting(log.db),
        async (tenantId) => {
          for (const run of await givePlaces(log, tenantId)) runs.started(run);
        },
        skip(input, 'give places to a tenant'),
      );
    },
  };
}

/** Lets go on, oldest first, as many of those that wait for an allowance as there is room for in it again. */
function answeringQuestions(input: RunUpkeepInput): Chore {
  const { log, runs } = input;
  let lookedAt: string | undefined;
  return {
    name: 'answering for allowances',
    async act() {
      const { found, last } = await listAnswerable(log.db, mostPerPass, lookedAt);
      lookedAt = last;
      await eachOf(
        found,
        async (question) => {
          if (await log.write('answer-with-room', (write) => answerWithRoom(write, question)))
            runs.wake(question.run_id);
        },
        skip(input, 'answer a question'),
      );
    },
  };
}

function closingAccounts(input: RunUpkeepInput): Chore {
  const { log } = input;
  let closedAfter: string | undefined;
  return {
    name: 'closing accounts',
    async act() {
      const page = await listUnclosed(log.db, mostPerPass, closedAfter);
      await eachOf(page, (of) => closeEnded(log, of), skip(input, 'close the account of a run'));
      closedAfter = page.length < mostPerPass ? undefined : page.at(-1)?.runId;
    },
  };
}

function tellingThresholds(input: RunUpkeepInput): Chore {
  const { log } = input;
  return {
    name: 'telling of thresholds',
    async act() {
      await eachOf(
        await listUntold(log.db, notBeforeMs, mostPerPass),
        ({ run, crossing }) => tellCrossings(log, run, [crossing]),
        skip(input, 'tell of a threshold'),
      );
    },
  };
}
