// One adapter between the providers of the ai-sdk specification and our port: messages out, parts and errors
// in. It calls `doStream` once and never tries again: Temporal does.
import type { LanguageModelV4, LanguageModelV4StreamPart, LanguageModelV4Usage } from '@ai-sdk/provider';
import { toStorable } from '../../workflows/contracts/storable.ts';
import { LRUCache } from 'lru-cache';
import type { Profiles, ServerProfile } from './choose-profile.ts';
import { createTextCleaner, type TextCleaner } from './clean-text.ts';
import { isBrokenOff, toReason } from './finish-reason.ts';
import { createKeeper } from './kept.ts';
import { type Llm, LlmError, type LlmPart, type LlmRequest, type LlmUsage } from './llm.ts';
import { namedLimit } from './named-limit.ts';
import { createStallWatch, type StallWatch } from './stall-watch.ts';
import type { Stalls } from './stalls.ts';
import { toLlmError } from './to-llm-error.ts';
import { type PromptDialect, toCallOptions } from './to-prompt.ts';
import type { WireFormat } from './wire/format.ts';
import { createProviderFetch } from './wire/provider-fetch.ts';

// A million tokens of output; a server that sends more is broken. All of it is held until the step is stored.
const longestAnswer = 4 * 1024 * 1024;
// No model reads or writes this much in one call; a larger figure is a mistake and must not be charged.
const mostTokens = 100_000_000;

export interface AiSdkProvider {
  provider: string;
  models: string[];
  missing: string | undefined;
  dialect?: PromptDialect;
  stalls(request: LlmRequest): Stalls;
  format: WireFormat;
  profiles: Profiles;
  /** Undefined: the provider's own address. */
  baseUrl: string | undefined;
  /** Through `fetch` alone the package may reach its server: it is what reads the bytes of this call. */
  languageModel(
    name: string,
    fetch: typeof globalThis.fetch,
    signal: AbortSignal,
    profile: ServerProfile,
  ): LanguageModelV4 | Promise<LanguageModelV4>;
}

/**
 * The longest answers that refusals have named, by run and model, so that later steps are not refused again. A
 * restart of the worker forgets them, and so does the thousandth run after; then one request is refused again.
 */
type KnownLimits = LRUCache<string, number>;
const mostKnownLimits = 1_000;

export function createAiSdkLlm(settings: AiSdkProvider): Llm {
  const { provider, models, missing } = settings;
  const limits: KnownLimits = new LRUCache({ max: mostKnownLimits });
  return {
    provider,
    models,
    missing,
    scripted: false,
    profile: settings.profiles.about,
    longestAnswer: (model) => settings.profiles.of(model).longestAnswer,
    contextWindow: (model) => settings.profiles.of(model).contextWindow,
    stream: (request, signal) => stream(settings, limits, request, signal),
  };
}

async function* stream(
  settings: AiSdkProvider,
  limits: KnownLimits,
  request: LlmRequest,
  signal: AbortSignal,
): AsyncGenerator<LlmPart> {
  signal.throwIfAborted();
  if (settings.missing !== undefined) {
    throw new LlmError('auth', `${settings.provider} is not configured: set ${settings.missing}`);
  }
  const watch = createStallWatch(settings.stalls(request));
  const { provider, format } = settings;
  const fetch = createProviderFetch({ provider, format, alive: watch.alive });
  const ended = AbortSignal.any([signal, watch.signal]);
  try {
    const { parts, source } = await watch.during(() => ask(settings, limits, request, fetch, ended));
    yield* readAnswer(parts, watch, provider, source);
  } catch (error) {
    signal.throwIfAborted();
    throw toLlmError(watch.signal.aborted ? watch.signal.reason : error, settings.provider);
  } finally {
    // Reached also when the reader of the parts leaves early: the socket is closed either way.
    watch.close();
  }
}

async function ask(
  { provider, baseUrl, profiles, dialect = {}, languageModel }: AiSdkProvider,
  limits: KnownLimits,
  request: LlmRequest,
  fetch: typeof globalThis.fetch,
  ended: AbortSignal,
): Promise<{ parts: ReadableStreamDefaultReader<LanguageModelV4StreamPart>; source: string }> {
  const profile = profiles.of(request.model);
  const model = await languageModel(request.model, fetch, ended, profile);
  const server = baseUrl === undefined ? '' : ` at ${new URL(baseUrl).host}`;
  const source = `${provider}/${model.modelId}${server}`;
  const open = async (longest: number | undefined) => {
    const options = toCallOptions(request, { profile, source }, dialect, longest);
    return (await model.doStream({ ...options, abortSignal: ended })).stream.getReader();
  };
  const place = `${request.runId} ${request.model}`;
  const longest = longestFor(request, profile, limits.get(place));
  try {
    return { parts: await open(longest), source };
  } catch (error) {
    // Refused before it was read, it cost nothing. Once: a server that contradicts itself is not followed.
    const limit = longest === undefined ? undefined : namedLimit(error, longest);
    if (limit === undefined) throw error;
    if (limit.isFixed) limits.set(place, limit.tokens);
    return { parts: await open(limit.tokens), source };
  }
}

/** The longest answer that is sent: never above the one reserved. Undefined: the server's own limit holds. */
function longestFor(
  { maxOutputTokens, free }: LlmRequest,
  profile: ServerProfile,
  known = Number.POSITIVE_INFINITY,
): number | undefined {
  if (profile.longestAnswer !== undefined) return Math.min(profile.longestAnswer, maxOutputTokens, known);
  return free && profile.longestWhenFree === 'left-out' ? undefined : Math.min(maxOutputTokens, known);
}

async function* readAnswer(
  parts: ReadableStreamDefaultReader<LanguageModelV4StreamPart>,
  watch: StallWatch,
  provider: string,
  source: string,
): AsyncGenerator<LlmPart> {
  const keeper = createKeeper();
  const text = createTextCleaner();
  const thinking = createTextCleaner();
  let length = 0;
  let calls = 0;
  let finish: (LanguageModelV4StreamPart & { type: 'finish' }) | undefined;
  for (;;) {
    const { done, value } = await watch.during(() => parts.read());
    if (done) break;
    watch.saw(value);
    if (value.type === 'error') throw toLlmError(value.error, provider);
    if (value.type === 'finish') finish = value;
    const part = toPart(value, text, thinking);
    keeper.saw(value, part === undefined || part.type === 'call' ? '' : part.text);
    if (part === undefined) continue;
    if (part.type === 'call') calls += 1;
    length += part.type === 'call' ? part.call.name.length + part.call.input.length : part.text.length;
    if (length > longestAnswer)
      throw new LlmError('bad_request', `${provider}: the answer is longer than 4 MiB: refused`);
    yield part;
  }
  if (finish === undefined || isBrokenOff(finish.finishReason)) {
    const raw = finish?.finishReason.raw;
    const why = raw === undefined ? '' : ` (${toStorable(raw).slice(0, 100)})`;
    throw new LlmError('network', `${provider}: the answer was cut before its end${why}`);
  }
  if (finish.finishReason.unified === 'content-filter' && length === 0) {
    throw new LlmError('content_refused', `${provider}: its content filter refused to answer`);
  }
  const kept = keeper.kept(source);
  if (kept !== undefined) yield { type: 'kept', kept };
  yield {
    type: 'finish',
    reason: toReason(finish.finishReason, calls > 0),
    usage: toUsage(finish.usage, length),
  };
}

function toPart(
  part: LanguageModelV4StreamPart,
  text: TextCleaner,
  thinking: TextCleaner,
): Exclude<LlmPart, { type: 'finish' | 'kept' | 'was-thinking' }> | undefined {
  switch (part.type) {
    case 'text-delta':
    case 'text-end':
      return toTextPart('text', part.type === 'text-delta' ? text.push(part.delta) : text.end());
    case 'reasoning-delta':
    case 'reasoning-end':
      return toTextPart(
        'thinking',
        part.type === 'reasoning-delta' ? thinking.push(part.delta) : thinking.end(),
      );
    case 'tool-call':
      // What the provider ran itself is not ours to run.
      if (part.providerExecuted === true) return undefined;
      return {
        type: 'call',
        call: {
          id: toStorable(part.toolCallId),
          name: toStorable(part.toolName),
          input: toStorable(part.input),
        },
      };
    default:
      return undefined;
  }
}

function toTextPart(
  type: 'text' | 'thinking',
  text: string,
): { type: 'text' | 'thinking'; text: string } | undefined {
  return text === '' ? undefined : { type, text };
}

/** Undefined for whatever cannot be true: every request has input, and an answer of some length has output. */
function toUsage({ inputTokens, outputTokens }: LanguageModelV4Usage, length: number): LlmUsage | undefined {
  const input = inputTokens.total ?? 0;
  const output = outputTokens.total ?? 0;
  const cached = inputTokens.cacheRead ?? 0;
  const written = inputTokens.cacheWrite ?? 0;
  const counts = [input, output, cached, written];
  if (counts.some((count) => !Number.isInteger(count) || count < 0 || count > mostTokens)) return undefined;
  if (input === 0 || (output === 0 && length > 0) || cached + written > input) return undefined;
  return {
    inputTokens: input,
    cachedInputTokens: cached,
    ...(written > 0 && { cacheWriteTokens: written }),
    outputTokens: output,
  };
}
