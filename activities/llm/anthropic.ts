// Anthropic over its Messages API.
import { createAiSdkLlm } from './ai-sdk.ts';
import { chooseProfiles } from './choose-profile.ts';
import type { Llm } from './llm.ts';
import type { ProviderSettings } from './provider-settings.ts';
import { readMessages } from './wire/messages.ts';

export function createAnthropicLlm({ apiKey, baseUrl, stalls, modelProfiles }: ProviderSettings): Llm {
  return createAiSdkLlm({
    provider: 'anthropic',
    models: ['claude-sonnet-5', 'claude-opus-5', 'claude-haiku-4-5'],
    missing: apiKey === undefined ? 'ANTHROPIC_API_KEY' : undefined,
    stalls,
    profiles: chooseProfiles('anthropic', baseUrl, modelProfiles),
    baseUrl,
    format: readMessages,
    // The only provider that caches nothing unless it is told where the stable part ends.
    dialect: { cacheMark: { anthropic: { cacheControl: { type: 'ephemeral' } } } },
    languageModel: async (name, fetch) => {
      // At the first call: a process that never makes one does without the package.
      const { createAnthropic } = await import('@ai-sdk/anthropic');
      return createAnthropic({
        // Both are always given: left out, the package would read the environment by itself.
        apiKey: apiKey ?? '',
        baseURL: baseUrl ?? 'https://api.anthropic.com/v1',
        fetch,
      }).messages(name);
    },
  });
}
