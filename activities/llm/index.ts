// The list of model providers. To add one: its file, and a line here.
import { createAnthropicLlm } from './anthropic.ts';
import { createCompatibleLlm } from './compatible.ts';
import { createGoogleLlm } from './google.ts';
import type { Llm } from './llm.ts';
import { createOpenAiLlm } from './openai.ts';
import { createScriptedLlm } from './scripted.ts';
import type { Stalls } from './stall-watch.ts';
import { withBreaker } from './with-breaker.ts';

export interface LlmSettings {
  openaiApiKey?: string | undefined;
  openaiBaseUrl?: string | undefined;
  anthropicApiKey?: string | undefined;
  anthropicBaseUrl?: string | undefined;
  googleApiKey?: string | undefined;
  googleBaseUrl?: string | undefined;
  compatibleApiKey?: string | undefined;
  compatibleBaseUrl?: string | undefined;
  compatibleReadsText?: 'on' | 'off' | undefined;
  /** A folder of scenarios for the scripted model, beside the built-in ones. */
  scenarios?: string | undefined;
  stalls?: Stalls | undefined;
}

const usualStalls: Stalls = {
  // Reasoning models think for minutes before the first token and say nothing meanwhile.
  firstMs: 300_000,
  // Tokens come many times a second; a minute without one is a dead connection.
  betweenMs: 60_000,
};

/** Call it once per process: the circuit breakers are shared with the list. */
export function createLlms(settings: LlmSettings): Llm[] {
  const stalls = settings.stalls ?? usualStalls;
  const providers = [
    createAnthropicLlm({ apiKey: settings.anthropicApiKey, baseUrl: settings.anthropicBaseUrl, stalls }),
    createOpenAiLlm({ apiKey: settings.openaiApiKey, baseUrl: settings.openaiBaseUrl, stalls }),
    createGoogleLlm({ apiKey: settings.googleApiKey, baseUrl: settings.googleBaseUrl, stalls }),
    createCompatibleLlm({
      apiKey: settings.compatibleApiKey,
      baseUrl: settings.compatibleBaseUrl,
      readsText: settings.compatibleReadsText !== 'off',
      stalls,
    }),
  ];
  return [...providers.map(withBreaker), createScriptedLlm({ folder: settings.scenarios })];
}

/** The provider of `provider/model` and the provider's own name of the model, or undefined when there is none. */
export function findLlm(llms: Llm[], name: string): { llm: Llm; model: string } | undefined {
  const slash = name.indexOf('/');
  const llm = llms.find(({ provider }) => provider === name.slice(0, Math.max(slash, 0)));
  const model = name.slice(slash + 1);
  return llm === undefined || model === '' ? undefined : { llm, model };
}

/** Whether a scenario answers under this name, and no model. */
export function isScripted(llms: Llm[], name: string): boolean {
  return findLlm(llms, name)?.llm.scripted ?? false;
}

/** The configured name, else the best model of the first provider that has its key, else the scripted greeting. */
export function defaultModel(llms: Llm[], configured?: string): string {
  if (configured !== undefined) return configured;
  const real = llms.find((llm) => !llm.scripted && llm.missing === undefined && llm.models.length > 0);
  return real === undefined ? 'scripted/hello' : `${real.provider}/${real.models[0]}`;
}
