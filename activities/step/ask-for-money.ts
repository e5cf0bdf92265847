// What a run asks people when its money, or an allowance it draws from, is used up: one open question at a time, in
// words that say what is missing and what to do about it.
import type { LimitName } from '../../workflows/contracts/allowance.ts';
import type { CallModelResult } from '../../workflows/contracts/activities.ts';
import type { StopReason } from '../../workflows/contracts/run.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Exceeded } from '../store/allowances/allowances.ts';
import type { OwnShortage } from '../store/allowances/own-limits.ts';
import type { AnswerTime } from '../store/lifecycle/answers.ts';
import { type ApprovalRow, requestApprovals } from '../store/approvals/approvals.ts';
import { type AttemptRef, isFirst, mayPause, type NewAttempt } from '../store/runs/attempts.ts';
import type { Queries } from '../store/db/database.ts';
import type { Write } from '../store/log/events.ts';
import { findAskedBy, findLimitQuestion } from '../store/approvals/money-questions.ts';
import { type RunRow, streamFor } from '../store/runs/runs.ts';

type Paused = Extract<CallModelResult, { kind: 'paused' }>;

/** How long people have, from now on: what they are given, or longer. */
export function answerTimeOf({ approvalSeconds }: ActivityDeps, atLeastMs = 0): AnswerTime {
  const now = Date.now();
  const ms = Math.max(approvalSeconds * 1000, atLeastMs);
  return { escalateAt: new Date(now + ms / 2), deadlineAt: new Date(now + ms) };
}

/**
 * What this step has asked and was not granted, of a run whose lock the caller holds: the workflow is to wait for that
 * answer, or to hear it. Of a first attempt only what is open can be: earlier questions have their answers.
 */
export async function questionOf(
  queries: Queries,
  run: RunRow,
  { step, task }: { step: number; task: NewAttempt },
): Promise<Paused | undefined> {
  // One look less for every step that nothing was asked in.
  if (run.awaiting_since === null && isFirst(task)) return undefined;
  const question = await findLimitQuestion(queries, run);
  const ungranted = question && ['open', 'denied', 'expired'].includes(question.status);
  return ungranted && question.step === step ? pausedBy(question) : undefined;
}

/** What an attempt asked whose worker never heard that it was stored, also when it has its answer by now. */
export async function askedBy(queries: Queries, attempt: AttemptRef): Promise<Paused | undefined> {
  const question = await findAskedBy(queries, attempt);
  return question && pausedBy(question);
}

type Limited = Extract<CallModelResult, { kind: 'limit' | 'paused' }>;

/**
 * Asks people for more of what a call lacks. Where nothing is asked, since the run may have no more of it or had to wait
 * in one step too often, it ends as if it had been given nothing. The caller holds the run's lock.
 */
export async function askForMore(
  deps: ActivityDeps,
  write: Write,
  run: RunRow,
  { step, task, short }: { step: number; task: NewAttempt; short: Exceeded | OwnShortage },
): Promise<Limited> {
  const { allowanceId, limit } = short;
  const reason = reasonOf(short);
  if (allowanceId === null && limit === 'tokens') return { kind: 'limit', reason };
  if (!mayPause(task))
    return { kind: 'limit', reason, detail: 'It had to wait for more in one step too many times.' };
  const own = allowanceId === null;
  const question = {
    kind: 'limit' as const,
    step,
    about: { allowanceId, limit },
    text: own ? ownSentence(short) : sentenceOf(short),
    ...answerTimeOf(deps, own ? 0 : passesInMs(short)),
  };
  const events = await requestApprovals(write, run, [question]);
  write.append({ ...streamFor(run), events });
  const [event] = events;
  if (event?.type !== 'approval-request') throw new Error('A question was not put.');
  return { kind: 'paused', waits: waitsFor(event.payload.approvalId), reason };
}

// The sweeper comes by every few seconds and answers only so many at a time; on a busy machine both take longer.
const sweptWithinMs = 60_000;

/** When no answer is needed any more, since the shortage ended by itself: a run that was told so waits for that. */
function passesInMs({ allowed, needed, endsAt }: Exceeded): number {
  if (endsAt === null || needed > allowed) return 0;
  return Date.parse(endsAt) + sweptWithinMs - Date.now();
}

function pausedBy({ id, limit_name }: ApprovalRow): Paused {
  return { kind: 'paused', waits: waitsFor(id), reason: reasonOf({ limit: limit_name as LimitName }) };
}

/** Why a run ends that is given no more of it. */
export function reasonOf({ limit }: { limit: LimitName }): StopReason {
  return traits[limit].reason;
}

function waitsFor(id: string): string {
  return `limit/${id}`;
}

/** Of a limit: why a run ends that is given no more, and how people read an amount and its period. */
const traits: Record<LimitName, { reason: StopReason; say: (count: number) => string; period: string }> = {
  costMicros: { reason: 'limit_cost', say: dollars, period: 'in all' },
  dayCostMicros: { reason: 'limit_cost', say: dollars, period: 'a day' },
  tokens: { reason: 'limit_tokens', say: (count) => `${count} tokens`, period: 'in all' },
  dayTokens: { reason: 'limit_tokens', say: (count) => `${count} tokens`, period: 'a day' },
  hourCalls: { reason: 'limit_calls', say: (count) => `${count} calls`, period: 'an hour' },
  // Of no call: runs over it are never accepted.
  dayRuns: { reason: 'allowance_denied', say: (count) => `${count} runs`, period: 'a day' },
};

function ownSentence({ allowed, used }: OwnShortage): string {
  return (
    `This run may spend ${dollars(allowed)} and has spent ${dollars(used)}. ` +
    'May it spend more, and how much? Approve with {"costMicros": N}, in millionths of a dollar.'
  );
}

function sentenceOf(exceeded: Exceeded): string {
  const { name, model, limit, allowed, used, held, needed, missing } = exceeded;
  const { say, period } = traits[limit];
  const of = model === '' ? `The allowance ${name}` : `The allowance ${name} for ${model}`;
  const now = held > 0 ? `${say(used)} are used and ${say(held)} held` : `${say(used)} are used`;
  return (
    `${of} has ${say(allowed)} ${period}: ${now}, the next call may need ${say(needed)}, and ` +
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

function dollars(micros: number): string {
  // Two digits at least, and as many as there are below a cent.
  return `$${(micros / 1_000_000).toFixed(6).replace(/0{1,4}$/, '')}`;
}
