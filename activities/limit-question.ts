// What a run asks people when its money, or an allowance it draws from, is used up: one open question at a time, in
// words that say what is missing and what to do about it.
import type { CallModelResult } from '../workflows/contracts/activities.ts';
import type { EffectiveLimits, StopReason } from '../workflows/contracts/run.ts';
import type { ActivityDeps } from './deps.ts';
import type { Exceeded, LimitName } from './store/allowances/allowances.ts';
import type { Patience } from './store/lifecycle/answers.ts';
import { requestApprovals } from './store/approvals/approvals.ts';
import type { AttemptRef } from './store/runs/attempts.ts';
import type { Queries } from './store/db/database.ts';
import type { Write } from './store/log/events.ts';
import { findAskedBy, findLimitQuestion, ofPool, ofRun } from './store/approvals/limit-questions.ts';
import { type RunRow, streamFor } from './store/runs/runs.ts';

type Paused = Extract<CallModelResult, { kind: 'paused' }>;

/** How long people have, from now on: what they are given, or longer. */
export function patienceOf({ approvalSeconds }: ActivityDeps, atLeastMs = 0): Patience {
  const now = Date.now();
  const ms = Math.max(approvalSeconds * 1000, atLeastMs);
  return { escalateAt: new Date(now + ms / 2), deadlineAt: new Date(now + ms) };
}

/**
 * What this step has asked and was not granted, of a run whose lock the caller holds: the workflow is to wait for that
 * answer, or to hear it. Of a first attempt only what is open can be: whoever asked before was heard.
 */
export async function questionOf(
  queries: Queries,
  run: RunRow,
  { step, attempt }: { step: number; attempt: AttemptRef },
): Promise<Paused | undefined> {
  // One look less for every step that nothing was asked in.
  if (run.awaiting_since === null && attempt.attempt === 1) return undefined;
  const question = await findLimitQuestion(queries, run);
  const ungranted = question && ['open', 'denied', 'expired'].includes(question.status);
  return ungranted && question.step === step ? pausedBy(question) : undefined;
}

/** What an attempt asked whose worker never heard that it was stored, also when it has its answer by now. */
export async function askedBy(queries: Queries, attempt: AttemptRef): Promise<Paused | undefined> {
  const question = await findAskedBy(queries, attempt);
  return question && pausedBy(question);
}

/** The run has spent what it may. The caller holds its lock. */
export async function askForRun(
  deps: ActivityDeps,
  write: Write,
  run: RunRow,
  step: number,
): Promise<Paused> {
  const { costMicros } = run.limits as unknown as EffectiveLimits;
  const text =
    `This run may spend ${dollars(costMicros)} and has spent ${dollars(run.cost_micros)}. ` +
    'May it spend more, and how much? Approve with {"costMicros": N}, in millionths of a dollar.';
  return put(write, run, { step, text, inputHash: ofRun, ...patienceOf(deps) });
}

/** An allowance that the run draws from has too little left. The caller holds the run's lock. */
export async function askForPool(
  deps: ActivityDeps,
  write: Write,
  run: RunRow,
  { step, exceeded }: { step: number; exceeded: Exceeded },
): Promise<Paused> {
  const patience = patienceOf(deps, passesInMs(exceeded));
  return put(write, run, { step, text: sentenceOf(exceeded), inputHash: ofPool(exceeded), ...patience });
}

// The sweeper comes by every few seconds and answers only so many at a time; on a busy machine both take longer.
const sweptWithinMs = 60_000;

/** When nobody needs to answer any more, since the shortage ended by itself: a run that was told so waits for that. */
function passesInMs({ allowed, needed, endsAt }: Exceeded): number {
  if (endsAt === null || needed > allowed) return 0;
  return Date.parse(endsAt) + sweptWithinMs - Date.now();
}

async function put(
  write: Write,
  run: RunRow,
  question: Patience & { step: number; text: string; inputHash: string },
): Promise<Paused> {
  const events = await requestApprovals(write, run, [{ kind: 'limit', ...question }]);
  write.append({ ...streamFor(run), events });
  const [event] = events;
  if (event?.type !== 'approval-request') throw new Error('A question was not put.');
  return pausedBy({ id: event.payload.approvalId, input_hash: question.inputHash });
}

/** A step that had to wait so often ends its run as if it had been given nothing. */
export function tooManyPauses(limit: LimitName): Extract<CallModelResult, { kind: 'limit' }> {
  const detail = 'It had to wait for more in one step too many times.';
  return { kind: 'limit', reason: reasons[limit], detail };
}

function pausedBy({ id, input_hash }: { id: string; input_hash: string }): Paused {
  const limit = input_hash.slice(input_hash.lastIndexOf('/') + 1) as LimitName;
  return { kind: 'paused', waits: `limit/${id}`, reason: reasons[limit] };
}

const reasons: Record<LimitName, StopReason> = {
  costMicros: 'limit_cost',
  dayCostMicros: 'limit_cost',
  tokens: 'limit_tokens',
  dayTokens: 'limit_tokens',
  hourCalls: 'limit_calls',
  // Of no call: runs over it are never accepted.
  dayRuns: 'allowance_denied',
};

const limitsInWords: Record<LimitName, (amount: string) => string> = {
  costMicros: (amount) => `${amount} in all`,
  dayCostMicros: (amount) => `${amount} a day`,
  tokens: (amount) => `${amount} in all`,
  dayTokens: (amount) => `${amount} a day`,
  hourCalls: (amount) => `${amount} an hour`,
  dayRuns: (amount) => `${amount} a day`,
};

function sentenceOf(exceeded: Exceeded): string {
  const { name, model, limit, allowed, used, held, needed, missing } = exceeded;
  const say = inUnits(limit);
  const of = model === '' ? `The allowance ${name}` : `The allowance ${name} for ${model}`;
  const now = held > 0 ? `${say(used)} are used and ${say(held)} held` : `${say(used)} are used`;
  return (
    `${of} has ${limitsInWords[limit](say(allowed))}: ${now}, the next call may need ${say(needed)}, and ` +
    `${say(missing)} are missing. ${outlookOf(exceeded)} Raise the allowance and the run goes on by itself, or approve to have it try again.`
  );
}

/** Whether it passes by itself. */
function outlookOf({ allowed, needed, endsAt, passing }: Exceeded): string {
  if (needed > allowed)
    return 'One such call is more than the allowance ever has, so this does not pass by itself.';
  if (passing)
    return 'What is held may come back when the calls that hold it end; the run then goes on by itself.';
  if (endsAt === null) return 'This does not pass by itself.';
  return `The period ends at ${endsAt}, and the run goes on by itself when there is room then.`;
}

function inUnits(limit: LimitName): (count: number) => string {
  if (limit === 'costMicros' || limit === 'dayCostMicros') return dollars;
  const word = limit === 'hourCalls' ? 'calls' : limit === 'dayRuns' ? 'runs' : 'tokens';
  return (count) => `${count} ${word}`;
}

function dollars(micros: number): string {
  // Two digits at least, and as many as there are below a cent.
  return `$${(micros / 1_000_000).toFixed(6).replace(/0{1,4}$/, '')}`;
}
