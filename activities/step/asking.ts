// What a model call asks: an answer to the step, or first a summary, where the conversation fills the model's window.
import { type StoredMessage, withinRequest } from '../../workflows/contracts/message.ts';
import type { PromptRecord } from '../../workflows/contracts/prompt-record.ts';
import type { EffectiveLimits } from '../../workflows/contracts/run.ts';
import { toolsOf, toSpec } from '../call/tools-of.ts';
import type { ActivityDeps } from '../deps.ts';
import { findLlm } from '../llm/index.ts';
import type { LlmRequest } from '../llm/llm.ts';
import { longestAnswerOf } from '../llm/longest-answers.ts';
import { assemble } from '../prompt/assemble.ts';
import {
  type Compaction,
  isFull,
  longestSummaryFor,
  planCompaction,
  splitHistory,
  summaryMessages,
} from '../prompt/compact.ts';
import { partsOf } from '../prompt/parts.ts';
import { wholeUpTo } from '../prompt/whole-part.ts';
import type { AttemptRef } from '../store/runs/attempts.ts';
import { presetOf } from '../store/runs/preset-of-run.ts';
import { tokensReported } from '../store/runs/prompts.ts';
import type { ProjectMessage } from '../store/runs/messages.ts';
import type { RunRow } from '../store/runs/runs.ts';
import { contextOf } from './context-blocks.ts';
import { readAttached } from './parts.ts';
import { newProjectText, withProjectText } from './project-text.ts';

export interface Asking {
  request: LlmRequest;
  prompt: PromptRecord;
  /** What it asks for a summary of. Left out: it asks for the step's answer. */
  compaction?: Compaction & { refused: boolean };
  /** What it tells of the project for the first time; to be stored before it is sent. */
  told?: ProjectMessage | undefined;
}

// A server that refuses a prompt says that its window is smaller than what was sent; how much, few say.
const refusedShare = 0.6;

/** `refused`: how often the step was found too long since its last summary. */
export async function askingOf(
  deps: ActivityDeps,
  { run, step }: { run: RunRow; step: number },
  { attempt }: Pick<AttemptRef, 'attempt'>,
  stored: StoredMessage[],
  refused = 0,
): Promise<Asking> {
  // The run that a side question is asked beside may be in the middle of a step.
  const before = run.kind === 'aside' ? wholeUpTo(stored, run.id) : stored;
  const told = await newProjectText(deps, { run, step }, before, deps.windowOf(run.model));
  const history = withinRequest(withProjectText(before, run, told));
  const config = await deps.modelConfigOf(run.tenant_id, run.model);
  const texts = [config.instructions, run.instructions].filter((text) => text != null);
  const context = await contextOf({ deps, run, step, history, now: new Date() });
  const attached = await readAttached(deps, run, history);
  // A side question has those of the runs beside it, so that what was sent before is cached; none of them is called.
  const specs = run.kind === 'title' ? [] : toolsOf(deps, run).map(toSpec);
  const instructions = texts.length > 0 ? texts.join('\n\n') : null;
  const { messages, tools } = assemble({ tools: specs, instructions, history, attached, context });
  const model = run.model.slice(run.model.indexOf('/') + 1);
  const { maxOutputTokens: wanted } = run.limits as unknown as EffectiveLimits;
  const given = findLlm(deps.llms, run.model)?.llm.longestAnswer?.(model);
  const request = {
    model,
    messages,
    tools,
    temperature: presetOf(run)?.temperature ?? config.temperature,
    key: config.key,
    maxOutputTokens: longestAnswerOf(model, { given, wanted }),
    // Of a run that says how long its answers may be, the server is told so whatever they cost.
    free: wanted === undefined && isFree(deps, run.model),
    runId: run.id,
    step,
    attempt,
  };
  const parts = partsOf({ messages, tools, context });
  const tokens = parts.reduce((sum, part) => sum + part.tokens, 0);
  const window = windowOf(deps, run, history, tokens * refusedShare ** refused, refused);
  const prompt = { window, tokens, parts };
  const isForced = refused > 0;
  if (!isForced && !isFull(tokens, window)) return { request, prompt, told };
  if (!isForced && !isFull(tokens * (await tokensReported(deps.log.db, history)), window))
    return { request, prompt, told };
  const compaction = planCompaction(history, { window, fixed: fixedOf(prompt), forced: isForced });
  if (compaction === undefined) return { request, prompt, told };
  return {
    request: {
      ...request,
      messages: summaryMessages(compaction),
      tools: [],
      sumsUp: true,
      maxOutputTokens: Math.min(request.maxOutputTokens, longestSummaryFor(window)),
    },
    prompt,
    told,
    compaction: { ...compaction, refused: isForced || wasRefused(run, history) },
  };
}

/** Whether a conversation that its server finds too long can be made shorter. */
export function canCompact(history: readonly StoredMessage[], prompt: PromptRecord): boolean {
  return planCompaction(history, { ...prompt, fixed: fixedOf(prompt), forced: true }) !== undefined;
}

function fixedOf({ parts }: PromptRecord): number {
  const fixed = parts.filter(({ part }) => part === 'system' || part === 'tools' || part === 'block');
  return fixed.reduce((sum, { tokens }) => sum + tokens, 0);
}

function windowOf(
  deps: ActivityDeps,
  run: RunRow,
  history: readonly StoredMessage[],
  guessed: number,
  refused: number,
): number {
  const { summary } = splitHistory(history);
  const known = deps.windowOf(run.model);
  const learned = wasRefused(run, history) ? Math.min(known, summary?.about.window ?? known) : known;
  return refused === 0 ? learned : Math.max(1, Math.floor(Math.min(learned, guessed)));
}

/** Its model's server has refused a prompt of the conversation before. */
function wasRefused({ model }: RunRow, history: readonly StoredMessage[]): boolean {
  const about = splitHistory(history).summary?.about;
  return about !== undefined && about.refused && about.model === model;
}

/** Whether a million tokens each way cost nothing: a price of zero, that is, and not one that is unknown. */
function isFree(deps: Pick<ActivityDeps, 'price'>, model: string): boolean {
  const usage = { inputTokens: 1_000_000, cachedInputTokens: 0, outputTokens: 1_000_000 };
  return deps.price(model, usage).costMicros === 0;
}
