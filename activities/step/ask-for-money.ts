// What becomes of a run when its money, or an allowance it draws from, is used up. It fails, or it asks people: one open
// question at a time, in words that say what is missing and who can do what about it.
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
import { overBudgetOf, type RunRow, streamFor } from '../store/runs/runs.ts';

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

/** The question of an attempt whose worker never heard that it was stored; it may be answered by now. */
export async function askedBy(queries: Queries, attempt: AttemptRef): Promise<Paused | undefined> {
  const question = await findAskedBy(queries, attempt);
  return question && pausedBy(question);
}

type Limited = Extract<CallModelResult, { kind: 'limit' | 'paused' }>;

/**
 * Asks people for more of what a call lacks, of a run that pauses there. Where nothing is asked, since the run fails over
 * its budget, may have no more of it or had to wait in one step too often, it ends as if it had been given nothing. The
 * caller holds the run's lock.
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
  const fails = overBudgetOf(run) === 'fail';
  const shortly = allowanceId !== null && short.passing;
  if (fails && !shortly) return { kind: 'limit', reason, detail: shortageOf(short) };
  const time = fails ? heldTime(deps) : answerTimeOf(deps, passesInMs(short));
  const ends = fails ? ` Else the run fails at ${time.deadlineAt.toISOString()}.` : '';
  const question = {
    kind: 'limit' as const,
    step,
    about: { allowanceId, limit },
    text: `${shortageOf(short)} ${outlookOf(short)}${ends} ${wayOutOf(short)}`,
    ...time,
  };
  const events = await requestApprovals(write, run, [question]);
  write.append({ ...streamFor(run), events });
  const [event] = events;
  if (event?.type !== 'approval-request') throw new Error('A question was not put.');
  return { kind: 'paused', waits: waitsFor(event.payload.approvalId), reason };
}

// The sweeper comes by every few seconds and answers only so many at a time; on a busy machine both take longer.
const sweptWithinMs = 60_000;

// Nothing is used up, other calls hold the room: few of them take longer than this. It is a wait for calls and not for
// people, so a run that fails over its budget waits so long too.
const heldMs = 10 * 60_000;

function heldTime(deps: ActivityDeps): AnswerTime {
  const { escalateAt, deadlineAt } = answerTimeOf(deps);
  const latest = new Date(Date.now() + heldMs);
  return deadlineAt < latest ? { escalateAt, deadlineAt } : { escalateAt: latest, deadlineAt: latest };
}

/** After how many ms the shortage is over by itself and no answer is needed; 0 where it does not pass. */
function passesInMs(short: Exceeded | OwnShortage): number {
  if (short.allowanceId === null) return 0;
  const { allowed, needed, endsAt } = short;
  if (endsAt === null || needed > allowed) return 0;
  return Date.parse(endsAt) + sweptWithinMs - Date.now();
}

function pausedBy({ id, limit_name }: ApprovalRow): Paused {
  return { kind: 'paused', waits: waitsFor(id), reason: reasonOf({ limit: limit_name as LimitName }) };
}

/** Why a run ends when it is given no more of the limit. */
export function reasonOf({ limit }: { limit: LimitName }): StopReason {
  return traits[limit].reason;
}

function waitsFor(id: string): string {
  return `limit/${id}`;
}

interface Traits {
  /** Why a run ends when it is given no more. */
  reason: StopReason;
  /** How people read an amount. */
  say: (count: number) => string;
  period: string;
  /** What raises it in an allowance, on the command line. */
  option: string;
}

const traits: Record<LimitName, Traits> = {
  costMicros: { reason: 'limit_cost', say: dollars, period: 'in all', option: '--cost DOLLARS' },
  dayCostMicros: { reason: 'limit_cost', say: dollars, period: 'a day', option: '--day-cost DOLLARS' },
  tokens: { reason: 'limit_tokens', say: toTokens, period: 'in all', option: '--set tokens=N' },
  dayTokens: { reason: 'limit_tokens', say: toTokens, period: 'a day', option: '--set dayTokens=N' },
  hourCalls: {
    reason: 'limit_calls',
    say: (count) => `${count} calls`,
    period: 'an hour',
    option: '--set hourCalls=N',
  },
  // No call meets it: runs over it are never accepted.
  dayRuns: {
    reason: 'allowance_denied',
    say: (count) => `${count} runs`,
    period: 'a day',
    option: '--set dayRuns=N',
  },
};

/** What is missing. */
function shortageOf(short: Exceeded | OwnShortage): string {
  if (short.allowanceId === null) {
    const { say } = traits[short.limit];
    return `This run may spend ${say(short.allowed)} and has spent ${say(short.used)}.`;
  }
  const { limit, allowed, used, held, needed, missing } = short;
  const { say, period } = traits[limit];
  const now = held > 0 ? `${say(used)} are used and ${say(held)} held` : `${say(used)} are used`;
  return (
    `${nameOf(short)} has ${say(allowed)} ${period}: ${now}, the next call may need ${say(needed)}, and ` +
    `${say(missing)} are missing.`
  );
}

/** Whether it passes by itself. */
function outlookOf(short: Exceeded | OwnShortage): string {
  if (short.allowanceId === null) return 'This does not pass by itself.';
  const { allowed, needed, endsAt, passing } = short;
  if (needed > allowed)
    return 'One such call is more than the allowance ever has, so this does not pass by itself.';
  if (passing)
    return 'What is held may come back when the calls that hold it end; the run then goes on by itself.';
  if (endsAt === null) return 'This does not pass by itself.';
  return `The period ends at ${endsAt}, and the run goes on by itself when there is room then.`;
}

/** What an answer can change, and what only a change of the allowance can. */
function wayOutOf(short: Exceeded | OwnShortage): string {
  if (short.allowanceId === null) return 'May it spend more, and how many dollars?';
  const { name, model, limit } = short;
  const { option } = traits[limit];
  const of = model === '' ? name : `${name} --model ${model}`;
  return (
    'No answer here raises an allowance. A person with a token of this server can, and the run then goes on by itself: ' +
    `perdure allowances ${of} ${option} --reason WHY. Approve to try again without that.`
  );
}

function nameOf({ name, model }: Exceeded): string {
  return model === '' ? `The allowance ${name}` : `The allowance ${name} for ${model}`;
}

function toTokens(count: number): string {
  return `${count} tokens`;
}

function dollars(micros: number): string {
  // Two digits at least, and as many as there are below a cent.
  return `$${(micros / 1_000_000).toFixed(6).replace(/0{1,4}$/, '')}`;
}
