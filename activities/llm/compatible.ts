// Any server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, LM Studio, OpenRouter and others.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { z } from 'zod';
import { createAiSdkLlm } from './ai-sdk.ts';
import { guardedFetch } from './guarded-fetch.ts';
import { type Llm, LlmError } from './llm.ts';
import type { ProviderSettings } from './provider-settings.ts';
import { readWritten } from './written/read-written.ts';

/** Stands for the first model the server lists, so that an address alone is enough to begin. */
const firstOfServer = 'auto';

const ModelList = z.object({ data: z.array(z.object({ id: z.string().min(1) })).min(1) });

export function createCompatibleLlm({
  apiKey,
  baseUrl,
  stalls,
  readsText = true,
}: ProviderSettings & {
  /** Whether thoughts and calls that stand in an answer's text are read as such. */
  readsText?: boolean | undefined;
}): Llm {
  const address = (baseUrl ?? '').replace(/\/+$/, '');
  const client = createOpenAICompatible({
    name: 'compatible',
    baseURL: address,
    fetch: guardedFetch,
    // Without it most servers leave the usage out of a stream.
    includeUsage: true,
    ...(apiKey !== undefined && { apiKey }),
  });
  const llm = createAiSdkLlm({
    provider: 'compatible',
    models: [firstOfServer],
    missing: baseUrl === undefined ? 'PERDURE_COMPATIBLE_BASE_URL' : undefined,
    stalls,
    languageModel: async (name, signal) =>
      client.chatModel(name === firstOfServer ? await firstModel(address, apiKey, signal) : name),
  });
  return readsText ? readWritten(llm) : llm;
}

/** Asked anew for each call: what a local server has loaded changes under us. */
async function firstModel(address: string, apiKey: string | undefined, signal: AbortSignal): Promise<string> {
  const answer = await guardedFetch(`${address}/models`, {
    headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    signal,
  });
  const list = answer.ok ? ModelList.safeParse(await answer.json()) : undefined;
  const first = list?.data?.data[0];
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
