// What every model must do, whichever server answers behind it. A subject sets each scene up in its own way.
import { describe, expect, test } from 'vitest';
import {
  type Llm,
  LlmError,
  type LlmMessage,
  type LlmPart,
  type LlmUsage,
} from '../../../activities/llm/llm.ts';

/** What the model does in each scene. */
const scenes = {
  text: 'answers "Hello from the model."',
  call: 'calls list with {"path":"."}',
  'parallel-calls': 'calls read with {"path":"a"} and read with {"path":"b"}',
  'unknown-tool': 'calls no-such-tool without arguments',
  'malformed-call': 'calls list with {"path":',
  'duplicate-ids': 'makes two calls under one id',
  thinking: 'thinks "Let me see." and answers "Seen."',
  usage: 'says it used 1,000 tokens of input, 800 of them cached, and 50 of output',
  'wrong-usage': 'says it used -5 tokens of input and 50 of output',
  'no-usage': 'says it used no tokens at all',
  'rate-limited': 'refuses with 429 and asks to wait 7 s',
  overloaded: 'refuses as overloaded',
  auth: 'does not know the key',
  'too-long': 'finds the conversation too long',
  stall: 'writes a word and says nothing more',
  cut: 'breaks off in the middle of an event',
  'early-end': 'ends in good order, but before it has finished',
  endless: 'writes words until somebody hangs up',
} as const;
export type Scene = keyof typeof scenes;

export interface Stage {
  llm: Llm;
  model: string;
  /** Settles when the model sees that the caller has gone. */
  hungUp?: Promise<void>;
  close(): Promise<void>;
}

export interface Subject {
  name: string;
  /** Scenes that its format cannot show. */
  without: Scene[];
  open(scene: Scene): Promise<Stage>;
}

const messages: LlmMessage[] = [
  { role: 'system', text: 'Be brief.' },
  { role: 'user', text: 'Hello.' },
];
const tools = ['list', 'read'].map((name) => ({
  name,
  description: `The tool ${name}.`,
  inputSchema: {
    type: 'object',
    properties: { path: { type: 'string' } },
    required: ['path'],
    additionalProperties: false,
  },
}));

export function streamOf(
  { llm, model }: Pick<Stage, 'llm' | 'model'>,
  signal = new AbortController().signal,
): AsyncIterable<LlmPart> {
  return llm.stream({ model, messages, tools, maxOutputTokens: 1_000, runId: 'run', step: 1 }, signal);
}

interface Heard {
  parts: LlmPart[];
  text: string;
  thinking: string;
  calls: { name: string; input: string }[];
  finish: (LlmPart & { type: 'finish' }) | undefined;
}

async function hear(stage: Stage): Promise<Heard> {
  const heard: Heard = { parts: [], text: '', thinking: '', calls: [], finish: undefined };
  for await (const part of streamOf(stage)) {
    heard.parts.push(part);
    if (part.type === 'text') heard.text += part.text;
    if (part.type === 'thinking') heard.thinking += part.text;
    if (part.type === 'call') heard.calls.push({ name: part.call.name, input: part.call.input });
    if (part.type === 'finish') heard.finish = part;
  }
  return heard;
}

async function failureOf(
  stage: Stage,
): Promise<{ kind: string; retryAfterMs: number | undefined; text: string }> {
  let text = '';
  try {
    for await (const part of streamOf(stage)) if (part.type === 'text') text += part.text;
  } catch (error) {
    if (!(error instanceof LlmError)) throw error;
    return { kind: error.kind, retryAfterMs: error.retryAfterMs, text };
  }
  throw new Error(`the stream ended as if all were well, after "${text}"`);
}

export function conformance(subject: Subject): void {
  function shows(scene: Scene, sentence: string, check: (stage: Stage) => Promise<void>): void {
    if (subject.without.includes(scene)) return;
    test(sentence, async () => {
      const stage = await subject.open(scene);
      try {
        await check(stage);
      } finally {
        await stage.close();
      }
    });
  }

  describe(subject.name, () => {
    describe('answers', () => answers(shows));
    describe('fails', () => failures(shows));
  });
}

type Shows = (scene: Scene, sentence: string, check: (stage: Stage) => Promise<void>) => void;

function answers(shows: Shows): void {
  shows('text', 'streams a text in pieces and finishes once, at the end', async (stage) => {
    const heard = await hear(stage);
    expect(heard.text).toBe('Hello from the model.');
    expect(heard.parts.filter(({ type }) => type === 'text').length).toBeGreaterThan(1);
    expect(heard.parts.map(({ type }) => type).indexOf('finish')).toBe(heard.parts.length - 1);
    expect(heard.finish?.reason).toBe('stop');
  });

  shows('call', 'hands over a call with its arguments as JSON', async (stage) => {
    const { calls, finish } = await hear(stage);
    expect(calls.map(({ name, input }) => ({ name, input: JSON.parse(input) }))).toEqual([
      { name: 'list', input: { path: '.' } },
    ]);
    expect(finish?.reason).toBe('calls');
  });

  shows('parallel-calls', 'hands over parallel calls in their order', async (stage) => {
    const { calls, finish } = await hear(stage);
    expect(calls.map(({ name, input }) => ({ name, input: JSON.parse(input) }))).toEqual([
      { name: 'read', input: { path: 'a' } },
      { name: 'read', input: { path: 'b' } },
    ]);
    expect(finish?.reason).toBe('calls');
  });

  shows('unknown-tool', 'passes a call of an unknown tool through', async (stage) => {
    expect((await hear(stage)).calls).toEqual([{ name: 'no-such-tool', input: '{}' }]);
  });

  shows('malformed-call', 'passes malformed arguments through as they are', async (stage) => {
    expect((await hear(stage)).calls).toEqual([{ name: 'list', input: '{"path":' }]);
  });

  shows('duplicate-ids', 'hands over both calls when the provider gives them one id', async (stage) => {
    const { calls } = await hear(stage);
    expect(calls.map(({ input }) => JSON.parse(input))).toEqual([{ path: 'a' }, { path: 'b' }]);
  });

  shows('thinking', 'keeps thinking apart from text', async (stage) => {
    const { thinking, text } = await hear(stage);
    expect({ thinking, text }).toEqual({ thinking: 'Let me see.', text: 'Seen.' });
  });

  shows('usage', 'says what was used, cached input included', async (stage) => {
    const usage: LlmUsage = { inputTokens: 1_000, cachedInputTokens: 800, outputTokens: 50 };
    expect((await hear(stage)).finish?.usage).toEqual(usage);
  });

  for (const scene of ['wrong-usage', 'no-usage'] as const) {
    shows(scene, `takes a usage that cannot be true as none: it ${scenes[scene]}`, async (stage) => {
      const { finish } = await hear(stage);
      expect(finish).toEqual({ type: 'finish', reason: 'stop', usage: undefined });
    });
  }
}

function failures(shows: Shows): void {
  shows('rate-limited', 'is rate limited for as long as the provider says', async (stage) => {
    expect(await failureOf(stage)).toEqual({ kind: 'rate_limited', retryAfterMs: 7_000, text: '' });
  });

  shows('overloaded', 'is overloaded', async (stage) => {
    expect(await failureOf(stage)).toEqual({ kind: 'overloaded', retryAfterMs: undefined, text: '' });
  });

  shows('auth', 'says that the key is refused', async (stage) => {
    expect(await failureOf(stage)).toEqual({ kind: 'auth', retryAfterMs: undefined, text: '' });
  });

  shows('too-long', 'says that the conversation is too long', async (stage) => {
    expect(await failureOf(stage)).toEqual({ kind: 'context_too_long', retryAfterMs: undefined, text: '' });
  });

  shows('stall', 'gives up on a stall after the first token, and hangs up', async (stage) => {
    expect(await failureOf(stage)).toEqual({ kind: 'timeout', retryAfterMs: undefined, text: 'Hello' });
    await stage.hungUp;
  });

  shows('cut', 'reports a stream that breaks off as a network failure', async (stage) => {
    expect(await failureOf(stage)).toEqual({ kind: 'network', retryAfterMs: undefined, text: 'Hello' });
  });

  shows('early-end', 'does not take the end of a connection for the end of an answer', async (stage) => {
    expect(await failureOf(stage)).toEqual({ kind: 'network', retryAfterMs: undefined, text: 'Hello' });
  });

  shows('endless', 'hangs up at once when it is aborted, and throws the reason', async (stage) => {
    const stop = new AbortController();
    const reason = new Error('a person pressed stop');
    await expect(async () => {
      for await (const part of streamOf(stage, stop.signal)) if (part.type === 'text') stop.abort(reason);
    }).rejects.toBe(reason);
    await stage.hungUp;
  });

  shows('endless', 'hangs up when its reader leaves', async (stage) => {
    for await (const part of streamOf(stage)) if (part.type === 'text') break;
    await stage.hungUp;
  });

  shows('text', 'does not begin when it is already aborted', async (stage) => {
    const reason = new Error('too late');
    await expect(async () => {
      for await (const part of streamOf(stage, AbortSignal.abort(reason)))
        throw new Error(`streamed ${part.type}`);
    }).rejects.toBe(reason);
  });
}
