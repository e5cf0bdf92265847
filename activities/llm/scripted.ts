// The scripted model: answers as a scenario file says. It needs no key, costs nothing and is deterministic, so
// the demo, the tests and the benchmarks run on it. Every surface says that a script answers.
import { LRUCache } from 'lru-cache';
import { setTimeout as wait } from 'node:timers/promises';
import { chooseProfiles, type ProfileOverrides } from './choose-profile.ts';
import { chooseStep, type Situation, toSituation } from './choose-step.ts';
import { estimateUsage } from './estimate-usage.ts';
import { type Llm, type LlmCall, LlmError, type LlmErrorKind, type LlmPart, type LlmRequest } from './llm.ts';
import type { ScenarioStep } from './scenario.ts';
import { createScenarioFiles } from './scenario-files.ts';

/** What answers when a scenario has no step left. */
const afterTheEnd: ScenarioStep = { text: 'The script has no more steps.' };

/** What it sums a conversation up with, where the scenario says nothing else. */
const aSummary: ScenarioStep = { text: 'The script sums up what came before step {{step}}.' };

// Only attempts that failed on purpose are counted; older ones are long over.
const countedSteps = 10_000;
// {{prompt}} repeats the start of a message, which may be as long as a book.
const longestPlaceholder = 500;

// These break an answer off; the others refuse before it begins.
const breaksOff: LlmErrorKind[] = ['network', 'timeout', 'unreadable'];
// Errors of a server that is down for every caller.
const outages: LlmErrorKind[] = ['rate_limited', 'overloaded', 'network'];

export function createScriptedLlm({
  folder,
  modelProfiles = {},
}: {
  folder: string | undefined;
  modelProfiles?: ProfileOverrides | undefined;
}): Llm {
  const profiles = chooseProfiles('scripted', undefined, modelProfiles);
  const files = createScenarioFiles(folder);
  const attempts = new LRUCache<string, number>({ max: countedSteps });

  /** The error this attempt must end in, or undefined once it has failed often enough. */
  function errorOf(step: ScenarioStep, { runId, step: number, sumsUp }: LlmRequest): LlmError | undefined {
    if (step.error === undefined) return undefined;
    const { kind, retryAfterMs, times } = step.error;
    const key = `${runId}/${number}${sumsUp ? '/summary' : ''}`;
    const attempt = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, attempt);
    if (times !== undefined && attempt > times) return undefined;
    const message = `scripted: ${kind} as the scenario says (attempt ${attempt})`;
    return new LlmError(kind, message, retryAfterMs, outages.includes(kind));
  }

  async function* stream(request: LlmRequest, signal: AbortSignal): AsyncGenerator<LlmPart> {
    signal.throwIfAborted();
    const scenario = await files.read(request.model);
    const step = request.sumsUp
      ? (scenario.summary ?? aSummary)
      : (chooseStep(scenario, request) ?? afterTheEnd);
    const situation = toSituation(request.messages);
    const calls = toCalls(step, request, situation);
    const thinking = fill(step.thinking ?? '', request, situation);
    const text = fill(step.text ?? '', request, situation);
    const words = [
      ...split(thinking).map((word): LlmPart => ({ type: 'thinking', text: word })),
      ...split(text).map((word): LlmPart => ({ type: 'text', text: word })),
    ];
    const error = errorOf(step, request);
    if (step.delayMs !== undefined) await pause(step.delayMs, signal);
    if (error !== undefined && !breaksOff.includes(error.kind)) throw error;
    for (const word of error === undefined ? words : words.slice(0, words.length / 2)) {
      if (step.tokenDelayMs !== undefined) await pause(step.tokenDelayMs, signal);
      signal.throwIfAborted();
      yield word;
    }
    if (error !== undefined) throw error;
    for (const call of calls) yield { type: 'call', call };
    const output = [thinking, text, ...calls.map((call) => call.name + call.input)].join('');
    const usage = step.usage ?? estimateUsage(request, output);
    yield { type: 'finish', reason: step.finish ?? (calls.length > 0 ? 'calls' : 'stop'), usage };
  }

  return {
    ...{ provider: 'scripted', scripted: true, missing: undefined, models: files.names(), stream },
    contextWindow: (model) => profiles.of(model).contextWindow,
  };
}

function toCalls(step: ScenarioStep, request: LlmRequest, situation: Situation): LlmCall[] {
  return (step.calls ?? []).map(({ tool, input }, index) => ({
    id: `script_${request.step}_${index}`,
    name: tool,
    // A text is the arguments as they are, for scenarios about malformed ones.
    input: typeof input === 'string' ? input : JSON.stringify(fillDeep(input, request, situation)),
  }));
}

function fillDeep(value: unknown, request: LlmRequest, situation: Situation): unknown {
  if (typeof value === 'string') return fill(value, request, situation);
  if (Array.isArray(value)) return value.map((item) => fillDeep(item, request, situation));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, fillDeep(item, request, situation)]),
  );
}

/** One pass: what is put in is not looked at again. */
function fill(template: string, request: LlmRequest, { lastMessage, lastResults }: Situation): string {
  return template.replace(
    /\{\{(prompt|step|result:(\d+))\}\}/g,
    (_, name: string, index: string | undefined) => {
      if (name === 'step') return String(request.step);
      const text = index === undefined ? lastMessage : (lastResults[Number(index)] ?? '');
      return text.slice(0, longestPlaceholder).toWellFormed();
    },
  );
}

function split(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
