// Stores the answer of a model together with the review of its calls, and ends a run that has nothing left to do.
import type { RunStatus } from '../../workflows/contracts/run.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import { reviewFor } from '../call/review.ts';
import type { ActivityDeps } from '../deps.ts';
import { placeInTree } from '../store/delegation/delegations.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { storeAnswer } from '../store/lifecycle/answers.ts';
import type { EndedRun } from '../store/lifecycle/end-run.ts';
import type { Said } from './ask.ts';
import { closeReserved } from './draw.ts';
import { concludeRun, followEnd } from './end.ts';
import { answerTimeOf } from './ask-for-money.ts';
import { keepable } from './keepable.ts';
import { lockRun, lockRunAndConversation, requireRun } from '../store/runs/runs.ts';
import type { ModelCall } from './open.ts';
import type { StoredStep } from './result.ts';

export async function storeReviewed(
  deps: ActivityDeps,
  { run, step, attempt }: ModelCall,
  { text, calls: written, kept, use, closing, unfinished }: Said,
): Promise<StoredStep> {
  // On entry, before anything is hashed, stored or run: a model that got hold of a secret passes none on.
  const { redact } = deps.log;
  const asked = written.map((call) => ({ ...call, input: redact(call.input) }));
  const calls = await reviewFor({ ...deps, db: deps.log.db }, run, step, asked);
  const answer = {
    attempt: attempt.ref,
    step,
    text: redact(text),
    calls,
    kept: keepable(kept, redact, { text, calls: written }),
    use,
    unfinished,
    closing,
    answerTime: answerTimeOf(deps),
  };
  // A run with nothing left to do after its answer ends with it. A project's tree comes before the end, and so does the
  // end of what runs in the background.
  const ends =
    use.status === 'answered' &&
    !unfinished &&
    calls.length === 0 &&
    !run.project_path &&
    !deps.hasBackground(run.id);
  let asksIn: string | undefined;
  const stored = await untilStored(() =>
    deps.log.write('store-answer', async (write): Promise<StoredStep & Partial<EndedRun>> => {
      const lock = ends ? lockRunAndConversation : lockRun;
      const current = requireRun(await lock(write, run.tenant_id, run.id), run.id);
      const { run: locked, calls: rows, rest } = await storeAnswer(write, current, answer);
      // After a lost COMMIT the answer is read back: the run may have ended with that COMMIT.
      const mayEnd = ends && !isTerminal(locked.status as RunStatus);
      const ended =
        mayEnd && (await concludeRun(deps, write, locked, { outcome: 'succeeded', reason: 'finished' }));
      if (calls.some(({ asks }) => asks)) asksIn = (await placeInTree(write.tx, locked))?.root_id;
      return { calls: rows, rest, ...(ended || { run: locked }) };
    }),
  );
  // Those who watch the main run are to answer.
  if (asksIn !== undefined) deps.wakeRun(asksIn);
  const { ended = false, waiting = false } = stored;
  // Closing the account also closes what is open, with what was booked.
  if (ended) await followEnd(deps, { ...stored, ended, waiting });
  else await closeReserved(deps, run, step, attempt, use);
  return stored;
}
