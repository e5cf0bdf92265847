// Reviews the calls of an answer: do they name a tool, do the arguments fit, does policy allow them. Runs
// nothing: the decisions are stored with the model's message and reach the workflow with its result.
import { realpath } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { ExternalTool } from '../../workflows/contracts/external-tool.ts';
import type { KnownCall } from '../../workflows/policy/backtest.ts';
import { evaluate, type PolicyContext, type PolicyScope } from '../../workflows/policy/evaluate.ts';
import { recall } from '../../workflows/policy/remember.ts';
import { parseFor, type Reading, shapeOf } from './arguments.ts';
import { externalShape } from './external.ts';
import type { ActivityDeps } from '../deps.ts';
import type { LlmCall } from '../llm/llm.ts';
import { argumentsHash } from '../store/calls/arguments-hash.ts';
import type { EditedCall } from '../store/approvals/approvals.ts';
import { toldWith } from '../store/calls/approval-use.ts';
import type { CallDecision } from '../store/calls/call-decision.ts';
import type { ReviewedCall } from '../store/calls/reviewed-calls.ts';
import type { Queries } from '../store/db/database.ts';
import type { ScopeRef } from '../store/policies/policies.ts';
import { type RememberedAnswer, rememberedFor } from '../store/policies/policy-scopes.ts';
import type { RunRow } from '../store/runs/runs.ts';
import { besideOf } from '../store/runs/workspace-of-run.ts';
import { toStorable } from '../../workflows/contracts/storable.ts';
import { findTool, type RunTool, toolsOf } from './tools-of.ts';

// More than a model sensibly asks for in one breath; the rest is answered with a sentence, not run.
const mostCallsPerStep = 64;

export interface ReviewContext extends PolicyContext {
  tools: readonly RunTool[];
  /** They answer what the profiles ask about, and nothing else: what is denied stays denied. */
  remembered: readonly RememberedAnswer[];
  scopes: readonly PolicyScope[];
}

export interface ReviewNeeds extends Pick<ActivityDeps, 'tools' | 'profileOf' | 'place'> {
  db: Queries;
}

/** Reviews the calls of an answer against what the run began with, and what people had remembered since. */
export async function reviewFor(
  needs: ReviewNeeds,
  run: RunRow,
  step: number,
  calls: readonly LlmCall[],
): Promise<ReviewedCall[]> {
  if (calls.length === 0) return [];
  if (run.kind === 'aside' || run.kind === 'title')
    return calls.map((call, index) => toReviewed({ step, index }, storable(call), besideTheWork(call)));
  const context = await reviewContextOf(needs, run);
  const reviewed = await reviewCalls(context, step, calls);
  if (!reviewed.some(({ decided }) => decided.original === 'ask')) return reviewed;
  const place = { ...run, project_path: await placeOf(run) };
  const remembered = await rememberedFor(needs.db, place, context.now);
  return remembered.length === 0 ? reviewed : reviewCalls({ ...context, remembered }, step, calls);
}

/** The place as remembered answers name it: all links to a project lead to the same one. */
async function placeOf({ project_path: projectPath, executor }: RunRow): Promise<string | null> {
  // A project that is gone keeps its given path; the run finds out by itself.
  // On the machine of an executor it is the real path; here the same path may be a link.
  if (projectPath === null || executor !== null) return projectPath;
  return realpath(projectPath).catch(() => projectPath);
}

export async function reviewContextOf(needs: ReviewNeeds, run: RunRow): Promise<ReviewContext> {
  const scopes: PolicyScope[] = [];
  // One after the other: `needs.db` may be a transaction, with one connection.
  for (const ref of run.policy_scopes as unknown as ScopeRef[]) {
    const profile = await needs.profileOf(run.tenant_id, ref, needs.db);
    scopes.push({ scope: ref.scope, profile, version: ref.version });
  }
  return {
    tools: toolsOf(needs, run),
    scopes,
    remembered: [],
    projectRoot: needs.place(run),
    beside: besideOf(run),
    mode: null,
    attended: run.attended,
    now: new Date(),
  };
}

/** One review may take a tenth of a second: in between, heartbeats and other runs have their turn. */
export async function reviewCalls(
  context: ReviewContext,
  step: number,
  calls: readonly LlmCall[],
): Promise<ReviewedCall[]> {
  const reviewed: ReviewedCall[] = [];
  for (const [index, call] of calls.entries()) {
    reviewed.push(reviewOne(context, { step, index }, call));
    await setImmediate();
  }
  return reviewed;
}

function reviewOne(
  context: ReviewContext,
  { step, index, reading = 'repaired' }: { step: number; index: number; reading?: Reading },
  written: LlmCall,
): ReviewedCall {
  const call = storable(written);
  return toReviewed({ step, index }, call, outcomeOf(context, index, call, reading));
}

/** Providers are not trusted here: text that cannot be stored would fail the answer at each attempt. */
function storable(call: LlmCall): LlmCall {
  return { ...call, id: toStorable(call.id), name: toStorable(call.name.slice(0, 200)) };
}

function toReviewed(
  { step, index }: { step: number; index: number },
  call: LlmCall,
  outcome: Outcome,
): ReviewedCall {
  // Arguments that do not fit are stored as text.
  const canonical = typeof outcome.input === 'string' ? outcome.input : JSON.stringify(outcome.input);
  return {
    callId: `${step}.${index}`,
    index,
    providerCallId: call.id,
    tool: call.name,
    // The model is shown the arguments as it wrote them, unless repaired ones run.
    inputText: outcome.decided.repairs ? canonical : toStorable(call.input),
    inputHash: argumentsHash(outcome.input, outcome.runs),
    ...outcome,
  };
}

/** Of a run that only answers. */
function besideTheWork(call: LlmCall): Outcome {
  const problem = 'Not run: this is a side question, and nothing is done for it. Answer with what you know.';
  return { ...nothingKnown, input: toStorable(call.input), ...refused(problem) };
}

function outcomeOf(context: ReviewContext, index: number, call: LlmCall, reading: Reading): Outcome {
  if (index >= mostCallsPerStep) return oneTooMany(call);
  return call.cut ? halfACall(call) : reviewCall(context, call, reading);
}

function oneTooMany(call: LlmCall): Outcome {
  const problem = `Not run: at most ${mostCallsPerStep} calls are made in one step. Ask again in the next.`;
  return { ...nothingKnown, input: toStorable(call.input), ...refused(problem) };
}

/** Never repaired into something that was not meant. */
function halfACall(call: LlmCall): Outcome {
  const problem =
    'Not run: your answer reached the longest length an answer may have before the arguments of this call were whole. ' +
    'Send it again with shorter arguments, in several calls if it must be.';
  return { ...nothingKnown, input: toStorable(call.input), ...refused(problem) };
}

/** Reviews other arguments for a call that is asked about; what is refused now stays refused. */
export function reviewEdit(
  context: ReviewContext,
  call: { step: number; tool: string; timeout_seconds: number },
  input: unknown,
): EditedCall | { problem: string } {
  const written = { id: 'edit', name: call.tool, input: JSON.stringify(input) };
  const reviewed = reviewOne(context, { step: call.step, index: 0, reading: 'exact' }, written);
  const { refusal, inputHash, subject, runs, timeoutSeconds } = reviewed;
  if (refusal) return { problem: refusal.output };
  // The workflow has planned the call with the time first asked for, and ends it after that.
  if (timeoutSeconds > call.timeout_seconds) {
    const problem = `These arguments may take ${timeoutSeconds} seconds and the call was asked for with ${call.timeout_seconds}: give no more, or deny it with a note that it be asked for with more.`;
    return { problem };
  }
  return { input: reviewed.input, inputHash, subject, runs, timeoutSeconds };
}

/** What policy would be asked about a call, as far as its tool can tell without a disk. */
export function describeCall(
  tools: readonly RunTool[],
  call: { tool: string; input: unknown },
): KnownCall | { problem: string } {
  const found = findTool(tools, call.tool);
  if (found?.kind !== 'built-in') return { problem: `There is no tool "${call.tool}".` };
  const { tool } = found;
  const parsed = parseFor(shapeOf(tool), JSON.stringify(call.input ?? {}), 'exact');
  if (!parsed.ok) return { problem: parsed.problem };
  const { name, effect, subjectKind } = tool;
  const subject = toStorable(tool.subject(parsed.input));
  const hosts = tool.hosts?.(parsed.input);
  return { tool: name, effect, subject, subjectKind, hosts, inputHash: argumentsHash(parsed.input) };
}

type Outcome = Omit<ReviewedCall, 'callId' | 'index' | 'providerCallId' | 'tool' | 'inputText' | 'inputHash'>;

const nothingKnown = { effect: null, subject: '', repeat: null, timeoutSeconds: 0, decided: {} };

function reviewCall(context: ReviewContext, call: LlmCall, reading: Reading): Outcome {
  try {
    return reviewReadable(context, call, reading);
  } catch (error) {
    // Whatever a model writes has an answer: thrown, it would be asked for and paid for again at each attempt.
    const problem = `The call cannot be looked at (${(error as Error).message.slice(0, 300)}). Send a simpler one.`;
    return { ...nothingKnown, input: toStorable(call.input), ...refused(problem) };
  }
}

function reviewReadable(context: ReviewContext, call: LlmCall, reading: Reading): Outcome {
  const { tools, scopes, projectRoot, beside = [], mode, attended } = context;
  const found = findTool(tools, call.name);
  if (!found) {
    const names = tools.map(({ tool }) => tool.name).join(', ');
    return {
      ...nothingKnown,
      input: toStorable(call.input),
      ...refused(`There is no tool "${call.name}". There are: ${names}.`),
    };
  }
  if (found.kind === 'external') return reviewExternal(found.tool, call, reading);
  const { tool } = found;
  const parsed = parseFor(shapeOf(tool), call.input, reading);
  if (!parsed.ok) return { ...nothingKnown, input: toStorable(call.input), ...refused(parsed.problem) };
  // Policy decides on the whole subject: a part cut off would be allowed unseen.
  const subject = toStorable(tool.subject(parsed.input));
  const { name, effect, subjectKind } = tool;
  const hosts = tool.hosts?.(parsed.input) ?? [];
  const policyCall = {
    tool: name,
    effect,
    subject,
    subjectKind,
    hosts,
    inputHash: argumentsHash(parsed.input),
  };
  const ruled = evaluate(scopes, policyCall, context);
  const evaluated = (ruled.original === 'ask' && recall(policyCall, context.remembered)) || ruled;
  const { runs, ...decided } = evaluated;
  const { decision, ruleIndex, profileId, ruleText } = decided;
  const rule = toStorable(ruleIndex === null ? ruleText : `${profileId}: ${ruleText}`);
  const reason = toStorable(decided.reason.slice(0, 1000));
  return {
    input: parsed.input,
    effect,
    subject,
    runs,
    repeat: tool.repeat,
    endsRun: tool.endsRun,
    progress: tool.progress,
    decision,
    decided: {
      ...decided,
      projectRoot,
      ...(beside.length > 0 && { beside }),
      mode,
      attended,
      ...(subjectKind === undefined ? {} : { subjectKind }),
      ...(hosts.length > 0 && { hosts }),
      ...(tool.asks && { question: true as const }),
      ...(tool.delegates && { delegates: tool.delegates }),
      ...repairsOf(parsed),
    },
    rule,
    reason,
    timeoutSeconds: tool.timeoutSeconds(parsed.input),
    ...(decision === 'deny'
      ? {
          refusal: {
            status: 'denied',
            output: toldWith(parsed.repairs, `Denied by policy (${rule}): ${reason}.`),
          },
        }
      : { refusal: undefined }),
    ...(decision === 'ask'
      ? { asks: { kind: 'call', text: `${name} ${subject}${reachWords(hosts)}`, choices: [] } }
      : {}),
    // A question goes to the person as it is, with no approval before it.
    ...(decision !== 'deny' && tool.asks ? toQuestion(tool.asks(parsed.input), context) : {}),
  };
}

function reachWords(hosts: readonly string[]): string {
  return hosts.length === 0 ? '' : `\nwith a way to ${hosts.join(', ')}`;
}

/** A question waits for its answer, as a call waits for its approval. */
function toQuestion(
  question: { text: string; choices: string[] },
  { attended }: ReviewContext,
): Pick<Outcome, 'decision' | 'refusal' | 'asks'> & { reason?: string } {
  if (attended) {
    const [text, choices] = [toStorable(question.text), question.choices.map(toStorable)];
    return { decision: 'ask', asks: { kind: 'question', text, choices }, refusal: undefined };
  }
  const output =
    'Nobody is there to answer. Decide it yourself as carefully as you can, or finish and say what you need to know.';
  return { decision: 'deny', reason: 'nobody is there to answer', refusal: { status: 'denied', output } };
}

/** What a caller runs is the caller's to allow: it is asked for, not reviewed. */
function reviewExternal(tool: ExternalTool, call: LlmCall, reading: Reading): Outcome {
  const parsed = parseFor(externalShape(tool), call.input, reading);
  if (!parsed.ok) return { ...nothingKnown, input: toStorable(call.input), ...refused(parsed.problem) };
  const { input } = parsed;
  return {
    ...nothingKnown,
    decided: repairsOf(parsed),
    input,
    subject: tool.name,
    repeat: 'once',
    decision: 'ask',
    rule: 'external tool',
    reason: 'the caller runs it and brings the result',
    refusal: undefined,
    asks: { kind: 'result', text: `${tool.name} ${JSON.stringify(input)}`.slice(0, 4000), choices: [] },
  };
}

function repairsOf({ repairs }: { repairs: string[] }): Pick<CallDecision, 'repairs'> {
  return repairs.length === 0 ? {} : { repairs: repairs.map(toStorable) };
}

/** Not run, for a reason other than policy. No person is asked about it. */
function refused(problem: string): Pick<Outcome, 'decision' | 'rule' | 'reason' | 'refusal' | 'asks'> {
  const output = toStorable(problem);
  return {
    decision: 'deny',
    rule: 'not a valid call',
    reason: toStorable(output.slice(0, 500)),
    refusal: { status: 'failed', output },
    asks: undefined,
  };
}
