// Any server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, LM Studio, OpenRouter and others.
import { z } from 'zod';
import { createAiSdkLlm } from './ai-sdk.ts';
import { createFieldExtractor } from './chat-fields.ts';
import { chooseProfiles, type ServerProfile } from './choose-profile.ts';
import { bodyText, guardedFetch } from './guarded-fetch.ts';
import { type Llm, LlmError } from './llm.ts';
import type { ProviderSettings } from './provider-settings.ts';
import { readChat } from './wire/chat.ts';
import { parsed } from './wire/json.ts';
import { readWritten } from './written/read-written.ts';

/** Stands for the first model the server lists, so that an address alone is enough to begin. */
const firstOfServer = 'auto';

// OpenRouter's list of some hundred models has half a megabyte.
const largestList = 4 * 1024 * 1024;

const ModelList = z.object({ data: z.array(z.object({ id: z.string().min(1) })).min(1) });

export function createCompatibleLlm({
  apiKey,
  baseUrl,
  stalls,
  modelProfiles,
  readsText = true,
}: ProviderSettings & {
  /** Whether thoughts and calls that stand in an answer's text are read as such. */
  readsText?: boolean | undefined;
}): Llm {
  const address = (baseUrl ?? '').replace(/\/+$/, '');
  const clientFor = async (profile: ServerProfile, fetch: typeof globalThis.fetch) => {
    // At the first call: a process that never makes one does without the package.
    const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
    return createOpenAICompatible({
      name: 'compatible',
      baseURL: address,
      fetch,
      includeUsage: profile.streamUsage,
      transformRequestBody: (body) => withLongestField(body, profile),
      metadataExtractor: {
        createStreamExtractor: createFieldExtractor,
        extractMetadata: async () => undefined,
      },
      ...(apiKey !== undefined && { apiKey }),
    });
  };
  const llm = createAiSdkLlm({
    provider: 'compatible',
    models: [firstOfServer],
    missing: baseUrl === undefined ? 'PERDURE_COMPATIBLE_BASE_URL' : undefined,
    stalls,
    profiles: chooseProfiles('compatible', baseUrl, modelProfiles),
    baseUrl,
    format: readChat,
    languageModel: async (name, fetch, signal, profile) =>
      (await clientFor(profile, fetch)).chatModel(
        name === firstOfServer ? await firstModel(address, apiKey, signal) : name,
      ),
  });
  return readsText ? readWritten(llm) : llm;
}

function withLongestField(
  { max_tokens, ...body }: Record<string, unknown>,
  { longestField }: ServerProfile,
): Record<string, unknown> {
  return max_tokens === undefined ? body : { ...body, [longestField]: max_tokens };
}

/** Asked anew for each call: what a local server has loaded changes under us. */
async function firstModel(address: string, apiKey: string | undefined, signal: AbortSignal): Promise<string> {
  const answer = await guardedFetch(`${address}/models`, {
    headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    signal,
  });
  const list = ModelList.safeParse(parsed(await bodyText(answer, largestList)));
  const first = answer.ok ? list.data?.data[0] : undefined;
  if (first === undefined) {
    const kind =
      answer.status === 401 || answer.status === 403
        ? 'auth'
        : answer.status >= 500
          ? 'overloaded'
          : 'bad_request';
    throw new LlmError(
      kind,
      `compatible: /models lists no model (status ${answer.status}): name one, as compatible/NAME`,
      undefined,
      kind === 'overloaded',
    );
  }
  return first.id;
}
