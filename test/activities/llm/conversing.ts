// A conversation as the product has it, with a server that answers: requests out of what is stored, and what is stored of
// the answers.
import { createLlms, findLlm } from '../../../activities/llm/index.ts';
import type { Llm, LlmPart, LlmRequest } from '../../../activities/llm/llm.ts';
import { assemble } from '../../../activities/prompt/assemble.ts';
import { keepable } from '../../../activities/step/keepable.ts';
import type { StoredMessage } from '../../../workflows/contracts/message.ts';
import { type AnsweringServer, createAnsweringServer, type Kind, type Turn } from './answering-server.ts';

const providers: Record<Kind['format'], [string, string]> = {
  responses: ['openai', '/v1'],
  anthropic: ['anthropic', '/v1'],
  gemini: ['google', '/v1beta'],
  chat: ['compatible', '/v1'],
};

export const tools = [
  {
    name: 'list',
    description: 'Lists a folder.',
    inputSchema: {
      type: 'object',
      properties: {
        path: { type: 'string', maxLength: 4096 },
        // A property that is called like a keyword stays.
        pattern: { type: 'string', pattern: '^[a-z]+$', minLength: 1 },
      },
      required: ['path'],
      additionalProperties: false,
    },
  },
  {
    name: 'read',
    description: 'Reads files.',
    inputSchema: {
      type: 'object',
      properties: { paths: { type: 'array', maxItems: 5000, items: { type: 'string', maxLength: 65_536 } } },
    },
  },
];

// Text and calls, calls alone, parallel calls, a failed call, an answer, and a second run of the conversation.
export const turns: Turn[] = Array.from({ length: 10 }, (_, index) => {
  const step = index + 1;
  return {
    thought: `thought-${step}`,
    signature: `sig-${step}`,
    text: step % 2 === 0 ? `Step ${step}.` : step === 5 ? 'Half of it.' : '',
    calls:
      step === 5 || step === 10
        ? []
        : [
            { name: 'list', input: { path: `dir-${step}` } },
            ...(step === 3 ? [{ name: 'read', input: { paths: ['a'] } }] : []),
          ],
  };
});

export function llmOf({ server, format }: Kind, url: string): { llm: Llm; provider: string } {
  const [provider, path] = providers[format];
  const profile = server === 'openai chat' ? 'openai' : (server as 'vllm');
  const llms = createLlms({
    [`${provider}ApiKey`]: 'k',
    [`${provider}BaseUrl`]: url + path,
    modelProfiles: format === 'chat' ? { 'compatible/*': { profile } } : {},
    stalls: { firstMs: 60_000, betweenMs: 60_000 },
  });
  const found = findLlm(llms, `${provider}/any`);
  if (found === undefined) throw new Error(`${provider} is not in the list`);
  return { llm: found.llm, provider };
}

export const models: Record<string, string> = {
  openai: 'gpt-5.4',
  anthropic: 'claude-sonnet-5',
  google: 'gemini-3.5-flash',
};

const none = { internal: false, calls: undefined, callId: undefined, failed: false };

/** One step as the product makes it: the request out of what is stored, and what is stored of the answer. */
export async function takeStep(
  llm: Llm,
  model: string,
  history: StoredMessage[],
  place: { runId: string; step: number },
  redact = (text: string) => text,
): Promise<StoredMessage[]> {
  const context = [{ owner: 'limits', text: `Step ${place.step} of at most 50` }];
  const request: LlmRequest = {
    ...assemble({ tools, history, context }),
    ...{ model, maxOutputTokens: 32_000, ...place },
  };
  const parts: LlmPart[] = [];
  for await (const part of llm.stream(request, new AbortController().signal)) parts.push(part);
  const text = parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');
  const calls = parts.flatMap((part) => (part.type === 'call' ? [part.call] : []));
  const kept = parts.find((part) => part.type === 'kept');
  const answer: StoredMessage = {
    ...{ ...none, ...place, phase: 'assistant', position: 0, role: 'assistant', text: redact(text) },
    calls: calls.map(({ name, input }, index) => ({
      callId: `${place.step}.${index}`,
      name,
      input: redact(input),
    })),
    // Through JSON, as the store has it.
    kept: JSON.parse(JSON.stringify(keepable(kept?.kept, redact, { text, calls }) ?? null)) ?? undefined,
  };
  const results = calls.map((_, index): StoredMessage => {
    const callId = `${place.step}.${index}`;
    const failed = place.step === 4;
    return {
      ...{ ...none, ...place, phase: 'tool', position: index, role: 'tool', callId, failed },
      text: failed ? 'No such folder.' : 'a.ts',
    };
  });
  return [answer, ...results];
}

export function said(
  runId: string,
  step: number,
  position: number,
  text: string,
  internal = false,
): StoredMessage {
  return { ...none, runId, step, phase: 'input', position, role: 'user', text, internal };
}

export async function converse(kind: Kind, server: AnsweringServer): Promise<StoredMessage[]> {
  const { llm, provider } = llmOf(kind, server.url);
  const history: StoredMessage[] = [said('a', 1, 0, 'Mend the test.')];
  for (let turn = 1; turn <= 10; turn += 1) {
    const place = turn <= 5 ? { runId: 'a', step: turn } : { runId: 'b', step: turn - 5 };
    // Two people steer after results, and a second run begins after an answer with two messages in a row.
    if (turn === 3)
      history.push(said('a', 3, 0, 'Use pnpm.'), said('a', 3, 1, 'Call 1.0 was settled.', true));
    if (turn === 6) history.push(said('b', 1, 0, 'And the other half.'), said('b', 1, 1, 'Quickly.'));
    history.push(...(await takeStep(llm, models[provider] ?? 'm', history, place)));
  }
  return history;
}

export async function withServer<Result>(
  kind: Kind,
  use: (server: AnsweringServer) => Promise<Result>,
): Promise<Result> {
  const server = await createAnsweringServer(kind, turns);
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}
