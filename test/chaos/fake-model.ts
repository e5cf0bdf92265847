// A model server on loopback that speaks OpenAI's chat completions and answers as told: by the run's marker in its
// prompt, the step, and how often that step was asked. It misbehaves in the ways providers do.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is asked, read from the request alone: the same request gets the same answer from any process. */
export interface Ask {
  /** The text between double brackets in the run's prompt, such as `12/0`. */
  marker: string;
  /** 1 for the run's first model call. */
  step: number;
  /** How often this step was asked, this time included. */
  attempt: number;
  at: number;
}

export interface ModelCall {
  /** Given when a script wants an id used twice, as some providers do. */
  id?: string;
  name: string;
  /** As the model writes it: may be malformed. */
  input: string;
}

export type ModelFault =
  | { kind: 'status'; status: 429 | 500 | 529; retryAfterSeconds?: number }
  /** The connection breaks after `afterWords` words. */
  | { kind: 'cut'; afterWords: number }
  /** It breaks inside the arguments of the first call. */
  | { kind: 'cut-call' };

/** Tokens of a prompt, and how many of them came out of the server's cache. */
export interface PromptUse {
  prompt: number;
  cached: number;
}

export interface Script {
  firstTokenMs?: number;
  words: string[];
  wordMs?: number;
  calls?: ModelCall[];
  usage?: 'right' | 'missing' | 'absurd' | PromptUse;
  fault?: ModelFault | undefined;
}

export interface FakeModel {
  url: string;
  asks: Ask[];
  /** Steps whose answer was sent to its end, with how often: more than once is billed twice. */
  answered: Map<string, number>;
  close(): Promise<void>;
}

export const marked = (marker: string): string => `[[${marker}]]`;
const markers = /\[\[([^\]]+)\]\]/g;

export interface ModelMessage {
  role: string;
  text: string;
  /** How many tools it called. */
  calls: number;
}

/** All of a request, for models that do not only go by the step they are asked for. */
export interface ModelRequest {
  /** As it came. */
  body: string;
  messages: ModelMessage[];
  tools: { name: string; description: string }[];
}

interface ChatMessage {
  role: string;
  content?: string | { text?: string }[] | null;
  tool_calls?: unknown[];
}

interface ChatRequest {
  messages: ChatMessage[];
  tools?: { function: { name: string; description?: string } }[];
}

export async function startFakeModel(
  scriptFor: (ask: Ask, request: ModelRequest) => Script | Promise<Script>,
): Promise<FakeModel> {
  const asks: Ask[] = [];
  const answered = new Map<string, number>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const { messages, tools = [] } = JSON.parse(body) as ChatRequest;
    const at = messages.findLastIndex((message) => markerIn(message) !== undefined);
    const name = markerIn(messages[at]) ?? 'unmarked';
    const step = messages.slice(at + 1).filter((message) => message.role === 'assistant').length + 1;
    const attempt = asks.filter((earlier) => earlier.marker === name && earlier.step === step).length + 1;
    const ask = { marker: name, step, attempt, at: Date.now() };
    asks.push(ask);
    const whole = await send(response, await scriptFor(ask, requestOf(body, messages, tools)));
    const key = `${name}#${step}`;
    if (whole) answered.set(key, (answered.get(key) ?? 0) + 1);
  }

  const server = createServer((request, response) => {
    // In half of these tests the client goes away before its answer ends.
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asks,
    answered,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function requestOf(
  body: string,
  messages: ChatMessage[],
  tools: NonNullable<ChatRequest['tools']>,
): ModelRequest {
  return {
    body,
    messages: messages.map((message) => ({
      role: message.role,
      text: textOf(message),
      calls: message.tool_calls?.length ?? 0,
    })),
    tools: tools.map(({ function: { name, description = '' } }) => ({ name, description })),
  };
}

/**
 * The last one in what people say in a message: prompts that no answer stands between are one message, and what follows
 * the result of a call stands in the message with that.
 */
function markerIn(message: ChatMessage | undefined): string | undefined {
  const text = textOf(message);
  const begins = { user: 0, tool: text.indexOf('<perdure:message>') }[message?.role ?? ''] ?? -1;
  return begins === -1 ? undefined : [...text.slice(begins).matchAll(markers)].at(-1)?.[1];
}

function textOf(message: ChatMessage | undefined): string {
  const content = message?.content;
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? '').join('');
}

/** True when the whole answer went out. */
async function send(response: ServerResponse, script: Script): Promise<boolean> {
  const { fault } = script;
  if (fault?.kind === 'status') {
    response.setHeader('content-type', 'application/json');
    if (fault.retryAfterSeconds !== undefined) response.setHeader('retry-after', fault.retryAfterSeconds);
    response.writeHead(fault.status);
    response.end(JSON.stringify({ error: { message: `refused with ${fault.status}`, type: 'fault' } }));
    return false;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  if (script.firstTokenMs) await sleep(script.firstTokenMs);
  const write = (delta: object): boolean =>
    response.write(chunk({ choices: [{ index: 0, delta, finish_reason: null }] }));
  for (const [index, word] of script.words.entries()) {
    if (fault?.kind === 'cut' && index === fault.afterWords) return breakOff(response);
    write({ content: word });
    if (script.wordMs) await sleep(script.wordMs);
    if (response.destroyed) return false;
  }
  for (const [index, call] of (script.calls ?? []).entries()) {
    const id = call.id ?? `call_${index}`;
    const half = Math.floor(call.input.length / 2);
    write({
      tool_calls: [
        { index, id, type: 'function', function: { name: call.name, arguments: call.input.slice(0, half) } },
      ],
    });
    if (fault?.kind === 'cut-call') return breakOff(response);
    write({ tool_calls: [{ index, function: { arguments: call.input.slice(half) } }] });
  }
  const reason = script.calls?.length ? 'tool_calls' : 'stop';
  response.write(chunk({ choices: [{ index: 0, delta: {}, finish_reason: reason }] }));
  const usage = usageOf(script);
  if (usage) response.write(chunk({ choices: [], usage }));
  response.write('data: [DONE]\n\n');
  return new Promise((resolve) => {
    response.once('close', () => resolve(response.writableFinished));
    response.end();
  });
}

function chunk(body: object): string {
  return `data: ${JSON.stringify({ id: 'fake', object: 'chat.completion.chunk', created: 0, model: 'fake', ...body })}\n\n`;
}

async function breakOff(response: ServerResponse): Promise<false> {
  // What was written must leave before the connection breaks.
  await sleep(20);
  response.destroy();
  return false;
}

function usageOf({ usage = 'right', words }: Script): object | undefined {
  if (usage === 'missing') return undefined;
  if (usage === 'absurd') return { prompt_tokens: -5, completion_tokens: 1e15, total_tokens: 0 };
  const { prompt, cached } = usage === 'right' ? { prompt: 100, cached: 0 } : usage;
  return {
    prompt_tokens: prompt,
    completion_tokens: words.length,
    total_tokens: prompt + words.length,
    ...(cached > 0 && { prompt_tokens_details: { cached_tokens: cached } }),
  };
}
