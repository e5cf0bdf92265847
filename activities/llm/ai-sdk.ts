// One adapter between the providers of the ai-sdk specification and our port: messages out, parts and errors
// in. It calls `doStream` once and never tries again: Temporal does.
import type { LanguageModelV4, LanguageModelV4StreamPart, LanguageModelV4Usage } from '@ai-sdk/provider';
import { toStorable } from '../../workflows/contracts/storable.ts';
import { createTextCleaner, type TextCleaner } from './clean-text.ts';
import { isBrokenOff, toReason } from './finish-reason.ts';
import { type Llm, LlmError, type LlmPart, type LlmRequest, type LlmUsage } from './llm.ts';
import { createStallWatch, type StallWatch, type Stalls } from './stall-watch.ts';
import { toLlmError } from './to-llm-error.ts';
import { type PromptDialect, toCallOptions } from './to-prompt.ts';

// A million tokens of output; whoever sends more is broken, and all of it is held until the step is stored.
const longestAnswer = 4 * 1024 * 1024;
// No model reads or writes this much in one call; a larger figure is a mistake and must not be charged.
const mostTokens = 100_000_000;

export interface AiSdkProvider {
  provider: string;
  models: string[];
  missing: string | undefined;
  dialect?: PromptDialect;
  stalls: Stalls;
  languageModel(name: string, signal: AbortSignal): LanguageModelV4 | Promise<LanguageModelV4>;
}

export function createAiSdkLlm(settings: AiSdkProvider): Llm {
  const { provider, models, missing } = settings;
  return {
    provider,
    models,
    missing,
    scripted: false,
    stream: (request, signal) => stream(settings, request, signal),
  };
}

async function* stream(
  settings: AiSdkProvider,
  request: LlmRequest,
  signal: AbortSignal,
): AsyncGenerator<LlmPart> {
  signal.throwIfAborted();
  if (settings.missing !== undefined) {
    throw new LlmError('auth', `${settings.provider} is not configured: set ${settings.missing}`);
  }
  const watch = createStallWatch(settings.stalls);
  const ended = AbortSignal.any([signal, watch.signal]);
  try {
    const parts = await watch.during(async () => {
      const model = await settings.languageModel(request.model, ended);
      const answer = await model.doStream({
        ...toCallOptions(request, settings.dialect ?? {}),
        abortSignal: ended,
      });
      return answer.stream.getReader();
    });
    yield* readAnswer(parts, watch, settings.provider);
  } catch (error) {
    signal.throwIfAborted();
    throw toLlmError(watch.signal.aborted ? watch.signal.reason : error, settings.provider);
  } finally {
    // Reached also when the reader of the parts leaves early: the socket is closed either way.
    watch.close();
  }
}

async function* readAnswer(
  parts: ReadableStreamDefaultReader<LanguageModelV4StreamPart>,
  watch: StallWatch,
  provider: string,
): AsyncGenerator<LlmPart> {
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
    if (part === undefined) continue;
    if (part.type === 'call') calls += 1;
    length += part.type === 'call' ? part.call.name.length + part.call.input.length : part.text.length;
    if (length > longestAnswer)
      throw new LlmError('bad_request', `${provider}: the answer is longer than 4 MiB: refused`);
    yield part;
  }
  if (finish === undefined || isBrokenOff(finish.finishReason)) {
    throw new LlmError('network', `${provider}: the answer was cut before its end`);
  }
  if (finish.finishReason.unified === 'content-filter' && length === 0) {
    throw new LlmError('content_refused', `${provider}: its content filter refused to answer`);
  }
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
): Exclude<LlmPart, { type: 'finish' | 'was-thinking' }> | undefined {
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
