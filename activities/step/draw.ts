// Reserves a model call's worst case in the allowances of its run before the call, and closes the reservation after it.
// Where there is too little, the run asks people for more; a call without a reservation is never made.
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallModelResult } from '../../workflows/contracts/activities.ts';
import type { ActivityDeps, Attempt } from '../deps.ts';
import type { LlmRequest } from '../llm/llm.ts';
import { askedBy, askForMore } from './ask-for-money.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { RunStopped } from '../store/runs/stops.ts';
import {
  type DrawingAttempt,
  reserve,
  closeReservation,
  type Reservation,
} from '../store/allowances/allowances.ts';
import type { ModelUse } from '../store/lifecycle/answers.ts';
import { type AttemptRef, endAttempt, hasLeft, notMade } from '../store/runs/attempts.ts';
import { takeWarnings, tellCrossings } from '../store/allowances/crossings.ts';
import { isStoreOutage } from '../store/db/database.ts';
import { Superseded, type Write } from '../store/log/events.ts';
import { type LockedRun, lockRun, requireRun, type RunRow, streamFor } from '../store/runs/runs.ts';
import { worstCaseOf } from './worst-case.ts';

// What others hold comes back when their answers do, most within seconds. A longer wait would take a slot from calls
// that have money: as a question it takes none, and goes on by itself all the same.
const passingMs = 30_000;
const firstPauseMs = 200;
const longestPauseMs = 2000;

type Wanted = Parameters<typeof reserve>[1];

/**
 * Asks for the worst case of a call whose step is being opened. An attempt that does not come to be leaves it behind: the
 * next one has its number, and finds the same reservation.
 */
export function drawAhead(
  deps: ActivityDeps,
  run: RunRow,
  step: number,
  ref: AttemptRef,
  request: LlmRequest,
): Promise<Reservation> {
  const reserving = reserve(deps.log.db, wantedFor(deps, run, step, ref, request));
  // Where the step is not opened, no caller waits for it.
  reserving.catch(() => undefined);
  return reserving;
}

function wantedFor(
  deps: ActivityDeps,
  run: RunRow,
  step: number,
  ref: AttemptRef,
  request: LlmRequest,
): Wanted {
  return { ...keyOf(run, step, ref), model: run.model, worst: worstCaseOf(deps.price, run.model, request) };
}

/**
 * Undefined: the call may be made. Else it is not made, and this is what becomes of the step. `ahead`: the answer to a
 * first try.
 */
export async function draw(
  deps: ActivityDeps,
  run: RunRow,
  step: number,
  attempt: Attempt,
  request: LlmRequest,
  mostMs = passingMs,
  ahead?: Promise<Reservation>,
): Promise<CallModelResult | undefined> {
  const wanted = wantedFor(deps, run, step, attempt.ref, request);
  const giveUpAt = Date.now() + mostMs;
  let answering = ahead;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    const answer = await (answering ?? reserve(deps.log.db, wanted));
    answering = undefined;
    await tellCrossings(deps.log, run, answer.crossed);
    switch (answer.kind) {
      case 'reserved':
        return undefined;
      case 'closed':
        throw new Superseded(`attempt ${wanted.attempt} of step ${step} was taken for dead`);
      case 'denied':
        return leave(deps, run, attempt, deniedBy(answer));
      case 'exceeded':
        if (!answer.passing || Date.now() > giveUpAt) return ask(deps, run, attempt, wanted);
    }
    await sleep(pauseMs, undefined, { signal: attempt.signal }).catch(() => undefined);
    if (attempt.signal.reason instanceof RunStopped) return leave(deps, run, attempt, { kind: 'stopped' });
    attempt.signal.throwIfAborted();
  }
}

function keyOf(run: RunRow, step: number, { attempt }: AttemptRef): DrawingAttempt {
  return { tenantId: run.tenant_id, runId: run.id, step, attempt };
}

function deniedBy({ reason }: { reason: string }): CallModelResult {
  return { kind: 'limit', reason: 'allowance_denied', detail: reason };
}

/** Ends the attempt, which has asked no model anything. */
async function leave(
  deps: ActivityDeps,
  run: RunRow,
  attempt: Attempt,
  result: CallModelResult,
): Promise<CallModelResult> {
  await untilStored(() =>
    deps.log.write('leave-step', async (write) => {
      const current = await locked(write, run);
      // The answer to an earlier COMMIT of this may have been lost.
      if (!(await hasLeft(write.tx, attempt.ref))) await endAttempt(write, current, attempt.ref, notMade);
    }),
  );
  return result;
}

/**
 * Asks a person for more. The pools stay locked until the question is stored: a raise of the limit comes before,
 * and then there is room, or finds the question and answers it.
 */
async function ask(
  deps: ActivityDeps,
  run: RunRow,
  attempt: Attempt,
  wanted: Wanted,
): Promise<CallModelResult | undefined> {
  return untilStored(() =>
    deps.log.write('ask-for-money', async (write) => {
      // The answer to an earlier COMMIT of this may have been lost.
      const left = await hasLeft(write.tx, attempt.ref);
      const asked = left && (await askedBy(write.tx, attempt.ref));
      if (asked) return asked;
      const answer = await reserve(write.tx, wanted);
      if (answer.kind === 'closed')
        throw new Superseded(`attempt ${wanted.attempt} of step ${wanted.step} may draw nothing any more`);
      if (answer.kind === 'reserved') {
        // The sweeper tells of thresholds reached here.
        if (!left) return undefined;
        // It could not store an answer any more. The throw takes the reservation back.
        throw new Superseded(`attempt ${wanted.attempt} of step ${wanted.step} has ended`);
      }
      const current = await locked(write, run);
      if (!left) await endAttempt(write, current, attempt.ref, notMade);
      const events = await takeWarnings(write, answer.crossed);
      if (events.length > 0) write.append({ ...streamFor(current), events });
      if (answer.kind === 'denied') return deniedBy(answer);
      return askForMore(deps, write, current, { step: wanted.step, task: attempt.task, short: answer });
    }),
  );
}

async function locked(write: Write, { tenant_id, id }: RunRow): Promise<LockedRun> {
  return requireRun(await lockRun(write, tenant_id, id), id);
}

/** After the use of a call was stored. */
export async function closeReserved(
  deps: ActivityDeps,
  run: RunRow,
  step: number,
  attempt: Attempt,
  use: ModelUse,
): Promise<void> {
  try {
    const { crossed } = await closeReservation(deps.log.db, keyOf(run, step, attempt.ref), use);
    await tellCrossings(deps.log, run, crossed);
  } catch (error) {
    if (!isStoreOutage(error)) throw error;
    deps.logger.warn(
      { err: error, runId: run.id },
      "the run's next reservation, or its end, closes this reservation; the sweeper tells of what it reached",
    );
  }
}
