// Google's Gemini models over the Generative Language API.
import { createAiSdkLlm } from './ai-sdk.ts';
import { chooseProfiles } from './choose-profile.ts';
import type { Llm } from './llm.ts';
import type { ProviderSettings } from './provider-settings.ts';
import { readGemini } from './wire/gemini.ts';

export function createGoogleLlm({ apiKey, baseUrl, stalls, modelProfiles }: ProviderSettings): Llm {
  return createAiSdkLlm({
    provider: 'google',
    models: ['gemini-3.5-flash', 'gemini-3.1-pro-preview', 'gemini-3-flash-preview'],
    missing: apiKey === undefined ? 'GOOGLE_GENERATIVE_AI_API_KEY' : undefined,
    stalls,
    profiles: chooseProfiles('google', baseUrl, modelProfiles),
    baseUrl,
    format: readGemini,
    languageModel: async (name, fetch) => {
      // At the first call: a process that never makes one does without the package.
      const { createGoogle } = await import('@ai-sdk/google');
      return createGoogle({
        // Both are always given: left out, the package would read the environment by itself.
        apiKey: apiKey ?? '',
        baseURL: baseUrl ?? 'https://generativelanguage.googleapis.com/v1beta',
        fetch,
      }).languageModel(name);
    },
  });
}
