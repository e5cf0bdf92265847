// The list of model providers. To add one: its file, and a line here.
import { createAnthropicLlm } from './anthropic.ts';
import type { ProfileOverrides } from './choose-profile.ts';
import { createCompatibleLlm } from './compatible.ts';
import { createGoogleLlm } from './google.ts';
import type { Llm, LlmRequest } from './llm.ts';
import { createOpenAiLlm } from './openai.ts';
import { createScriptedLlm } from './scripted.ts';
import { type ModelSecondsOverlay, type Stalls, stallsFor, usualStalls } from './stalls.ts';
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
  /** By model: what its server takes, where its address does not tell. */
  modelProfiles?: ProfileOverrides | undefined;
  compatibleReadsText?: 'on' | 'off' | undefined;
  /** A folder of scenarios for the scripted model, beside the built-in ones. */
  scenarios?: string | undefined;
  modelSeconds?: ModelSecondsOverlay | undefined;
  /** In place of the usual ones. */
  stalls?: Partial<Stalls> | undefined;
}

/** Call it once per process: the circuit breakers are shared with the list. */
export function createLlms(settings: LlmSettings): Llm[] {
  const usual = { ...usualStalls, ...settings.stalls };
  const of = (provider: string, apiKey: string | undefined, baseUrl: string | undefined) => ({
    apiKey,
    baseUrl,
    stalls: (request: LlmRequest) => stallsFor(usual, settings.modelSeconds ?? {}, provider, request),
    modelProfiles: settings.modelProfiles,
  });
  const providers = [
    createAnthropicLlm(of('anthropic', settings.anthropicApiKey, settings.anthropicBaseUrl)),
    createOpenAiLlm(of('openai', settings.openaiApiKey, settings.openaiBaseUrl)),
    createGoogleLlm(of('google', settings.googleApiKey, settings.googleBaseUrl)),
    createCompatibleLlm({
      ...of('compatible', settings.compatibleApiKey, settings.compatibleBaseUrl),
      readsText: settings.compatibleReadsText !== 'off',
    }),
  ];
  return [
    ...providers.map(withBreaker),
    createScriptedLlm({ folder: settings.scenarios, modelProfiles: settings.modelProfiles }),
  ];
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
