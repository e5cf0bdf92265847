// OpenAI over its Responses API.
import { createAiSdkLlm } from './ai-sdk.ts';
import { chooseProfiles } from './choose-profile.ts';
import type { Llm } from './llm.ts';
import type { ProviderSettings } from './provider-settings.ts';
import { readResponses } from './wire/responses.ts';

export function createOpenAiLlm({ apiKey, baseUrl, stalls, modelProfiles }: ProviderSettings): Llm {
  return createAiSdkLlm({
    provider: 'openai',
    models: ['gpt-5.6', 'gpt-5.5', 'gpt-5.4', 'gpt-5.4-mini'],
    missing: apiKey === undefined ? 'OPENAI_API_KEY' : undefined,
    stalls,
    profiles: chooseProfiles('openai', baseUrl, modelProfiles),
    baseUrl,
    format: readResponses,
    // The conversation is ours: nothing is kept at the provider.
    dialect: { providerOptions: { openai: { store: false } } },
    languageModel: async (name, fetch) => {
      // At the first call: a process that never makes one does without the package.
      const { createOpenAI } = await import('@ai-sdk/openai');
      return createOpenAI({
        // Both are always given: left out, the package would read the environment by itself.
        apiKey: apiKey ?? '',
        baseURL: baseUrl ?? 'https://api.openai.com/v1',
        fetch,
      }).responses(name);
    },
  });
}
