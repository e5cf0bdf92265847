// The scripted model: the parts of the conformance list that apply to it, and what only a script does.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type LlmMessage, type LlmPart, tagged } from '../../../activities/llm/llm.ts';
import { parseScenario } from '../../../activities/llm/scenario.ts';
import { createScriptedLlm } from '../../../activities/llm/scripted.ts';
import { conformance } from './conformance.ts';

const folder = path.join(import.meta.dirname, '../../fixtures/scenarios');
const never = new AbortController().signal;

conformance({
  name: 'scripted',
  // It has no wire: nothing can be impossible, repeated or ended by a proxy.
  without: ['wrong-usage', 'no-usage', 'duplicate-ids', 'early-end'],
  open: async (scene) => ({ llm: createScriptedLlm({ folder }), model: scene, close: async () => undefined }),
});

interface Asked {
  model: string;
  messages: LlmMessage[];
  step?: number;
  runId?: string;
}

async function ask(
  { model, messages, step = 1, runId = 'run' }: Asked,
  llm = createScriptedLlm({ folder }),
): Promise<LlmPart[]> {
  const request = { model, messages, tools: [], maxOutputTokens: 1_000, runId, step };
  return collect(llm.stream(request, never));
}

async function collect(stream: AsyncIterable<LlmPart>): Promise<LlmPart[]> {
  const parts: LlmPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const textOf = (parts: LlmPart[]): string =>
  parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
const callsOf = (parts: LlmPart[]): unknown[] =>
  parts.flatMap((part) => (part.type === 'call' ? [[part.call.name, JSON.parse(part.call.input)]] : []));

const prompt = (text: string): LlmMessage => ({ role: 'user', text: tagged('message', text) });
const context: LlmMessage = { role: 'user', text: tagged('context', 'Step 2 of at most 9') };
const answer = (text: string, calls = 0): LlmMessage => ({
  role: 'assistant',
  text,
  calls: Array.from({ length: calls }, (_, index) => ({ id: `c${index}`, name: 'shell', input: '{}' })),
});
const result = (text: string): LlmMessage => ({
  role: 'tool',
  callId: 'c0',
  name: 'shell',
  text: tagged('result', text),
  failed: false,
});

describe('which step answers', () => {
  test('a step whose match does not fit is passed over', async () => {
    const messages = [prompt('Fix it.'), answer('Trying.', 1), result('all green'), context];
    expect(textOf(await ask({ model: 'branches', messages, step: 2 }))).toBe('Finished: all green');
  });

  test('a step whose match fits answers, and the walk goes on behind it', async () => {
    const second = [prompt('Fix it.'), answer('Trying.', 1), result('outcome unknown'), context];
    const asked = await ask({ model: 'branches', messages: second, step: 2 });
    expect([textOf(asked), callsOf(asked)]).toEqual(['I look first.', [['read', { path: 'log.txt' }]]]);
    const third = [...second.slice(0, -1), answer('I look first.', 1), result('one passed'), context];
    expect(textOf(await ask({ model: 'branches', messages: third, step: 3 }))).toBe('Finished: one passed');
  });

  test('a steer is seen as the last message, and placeholders are filled once', async () => {
    const messages = [
      prompt('Fix it.'),
      answer('Trying.', 1),
      result('{{step}}'),
      prompt('please hurry'),
      context,
    ];
    const parts = await ask({ model: 'branches', messages, step: 2 });
    expect(callsOf(parts)).toEqual([['shell', { command: 'echo please hurry 2', lines: ['{{step}}', 7] }]]);
  });

  test('an answer is the same from another process and after a retry', async () => {
    const messages = [prompt('Fix it.'), answer('Trying.', 1), result('outcome unknown'), context];
    const llm = createScriptedLlm({ folder });
    const first = await ask({ model: 'branches', messages, step: 2 }, llm);
    expect(await ask({ model: 'branches', messages, step: 2 }, llm)).toEqual(first);
    expect(await ask({ model: 'branches', messages, step: 2 })).toEqual(first);
  });

  test('the next run of a conversation starts the script again', async () => {
    const messages = [
      prompt('Fix it.'),
      answer('Trying.', 1),
      result('x'),
      answer('Finished: x'),
      prompt('Again.'),
      context,
    ];
    expect(textOf(await ask({ model: 'branches', messages, step: 1 }))).toBe('Trying.');
  });

  test('a script that has ended says so and makes no calls', async () => {
    const messages = [prompt('Fix it.'), answer('Hello from the model.'), prompt('More!'), context];
    const parts = await ask({ model: 'text', messages, step: 2 });
    expect([textOf(parts), callsOf(parts)]).toEqual(['The script has no more steps.', []]);
  });

  test('the thousandth step of a script is found', async () => {
    const messages = [
      prompt('Go.'),
      ...Array.from({ length: 999 }, (_, index) => answer(`${index + 1}`)),
      context,
    ];
    const home = await mkdtemp(path.join(tmpdir(), 'scenarios-'));
    try {
      await writeFile(
        path.join(home, 'long.yaml'),
        JSON.stringify({ steps: Array.from({ length: 1_000 }, (_, index) => ({ text: `${index + 1}` })) }),
      );
      expect(
        textOf(await ask({ model: 'long', messages, step: 1_000 }, createScriptedLlm({ folder: home }))),
      ).toBe('1000');
    } finally {
      await rm(home, { recursive: true });
    }
  });
});

test('a step that fails N times answers at the next attempt, for each run on its own', async () => {
  const llm = createScriptedLlm({ folder });
  const attempt = (runId: string): Promise<string> =>
    ask({ model: 'flaky', messages: [prompt('Go.')], runId }, llm).then(textOf);
  await expect(attempt('a')).rejects.toMatchObject({ kind: 'network' });
  await expect(attempt('b')).rejects.toMatchObject({ kind: 'network' });
  await expect(attempt('a')).rejects.toMatchObject({ kind: 'network' });
  expect(await attempt('a')).toBe('one two three four');
  await expect(attempt('b')).rejects.toMatchObject({ kind: 'network' });
  expect(await attempt('b')).toBe('one two three four');
});

test('an abort ends a long delay at once', async () => {
  const stop = new AbortController();
  const reason = new Error('interrupted');
  const messages = [prompt('Go.'), answer('one')];
  const request = { model: 'endless', messages, tools: [], maxOutputTokens: 9, runId: 'run', step: 2 };
  const parts = collect(createScriptedLlm({ folder }).stream(request, stop.signal));
  setTimeout(() => stop.abort(reason), 20);
  await expect(parts).rejects.toBe(reason);
});

describe('scenario files', () => {
  async function failureOf(source: string): Promise<string> {
    const home = await mkdtemp(path.join(tmpdir(), 'scenarios-'));
    try {
      await writeFile(path.join(home, 'wrong.yaml'), source);
      await ask({ model: 'wrong', messages: [prompt('Go.')] }, createScriptedLlm({ folder: home }));
      return 'nothing is wrong';
    } catch (error) {
      return String((error as Error).message).replace(home, '');
    } finally {
      await rm(home, { recursive: true });
    }
  }

  test.each([
    ['steps:\n  - text: a\n  - tetx: b\n', '/wrong.yaml:3: steps.1: Unrecognized key: "tetx"'],
    [
      'steps:\n  - text: a\n    error:\n      kind: tired\n',
      '/wrong.yaml:4: steps.0.error.kind: Invalid option: expected one of "rate_limited"|"overloaded"|"timeout"|"network"|"unreadable"|"bad_request"|"auth"|"context_too_long"|"content_refused"',
    ],
    [
      'steps:\n  - match:\n      lastMessage: { regex: "(" }\n',
      '/wrong.yaml:3: steps.0.match.lastMessage.regex: must be a regular expression',
    ],
    [
      'steps:\n  - text: [\n',
      '/wrong.yaml:3: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['', '/wrong.yaml:1: the file: Invalid input: expected object, received null'],
  ])('%j is refused with its line', async (source, sentence) => {
    expect(await failureOf(source)).toContain(sentence);
  });

  test('a name that is no scenario is refused with those that are, and never read as a path', async () => {
    const failure = await ask({ model: '../scenarios/text', messages: [prompt('Go.')] }).catch(
      (error: Error) => error.message,
    );
    expect(failure).toMatch(/^There is no scenario "\.\.\/scenarios\/text"; there are: hello, auth, .*tools/);
  });

  test('a changed file is read again', async () => {
    const home = await mkdtemp(path.join(tmpdir(), 'scenarios-'));
    try {
      const llm = createScriptedLlm({ folder: home });
      await writeFile(path.join(home, 'mine.yaml'), 'steps: [{ text: first }]');
      expect(textOf(await ask({ model: 'mine', messages: [prompt('Go.')] }, llm))).toBe('first');
      await writeFile(path.join(home, 'mine.yaml'), 'steps: [{ text: the second }]');
      expect(textOf(await ask({ model: 'mine', messages: [prompt('Go.')] }, llm))).toBe('the second');
    } finally {
      await rm(home, { recursive: true });
    }
  });

  test('every built-in scenario can be read and answers', async () => {
    const llm = createScriptedLlm({ folder: undefined });
    expect(llm.models).toEqual(expect.arrayContaining(['hello', 'slow', 'tools']));
    expect(llm.models[0]).toBe('hello');
    const quick = llm.models.filter((name) => name !== 'slow');
    const answers = await Promise.all(
      quick.map((model) => ask({ model, messages: [prompt('Good morning.')] }, llm)),
    );
    expect(answers.map((parts) => parts.at(-1)?.type)).toEqual(quick.map(() => 'finish'));
    expect(textOf(answers[0] ?? [])).toContain('You wrote: "Good morning."');
  });

  test('the slow scenario streams 200 words, 50 ms apart', async () => {
    const file = path.join(import.meta.dirname, '../../../activities/llm/scenarios/slow.yaml');
    const parsed = parseScenario(file, await readFile(file, 'utf8'));
    const steps = 'scenario' in parsed ? parsed.scenario.steps : [];
    expect(steps.map(({ text, tokenDelayMs }) => [text?.trim().split(/\s+/).length, tokenDelayMs])).toEqual([
      [200, 50],
    ]);
  });
});
