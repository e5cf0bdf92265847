// The prompt: stable where it must be, whole, and proof against imitation.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LlmMessage, untagged } from '../../../activities/llm/llm.ts';
import { assemble } from '../../../activities/prompt/assemble.ts';
import { contextOf } from '../../../activities/step/request.ts';
import type { StoredMessage } from '../../../workflows/contracts/message.ts';

const tools = [
  { name: 'shell', description: 'Runs a command.', inputSchema: { type: 'object' } },
  { name: 'read', description: 'Reads a file.', inputSchema: { type: 'object' } },
];

const run = {
  limits: { steps: 50, seconds: 3600, costMicros: 1_000_000, tokens: 1_000_000 },
  project_path: '/home/ada/engine',
};

const contextAt = (step: number) => contextOf(run, step, new Date('2026-03-01T23:59:59Z'));

// What most messages are not.
const plain = { internal: false, calls: undefined, callId: undefined, failed: false };

function input(runId: string, step: number, text: string, more: Partial<StoredMessage> = {}): StoredMessage {
  return { ...plain, runId, step, phase: 'input', position: 0, role: 'user', text, ...more };
}

function answer(
  runId: string,
  step: number,
  text: string,
  calls: [name: string, input: string][] = [],
): StoredMessage {
  return {
    ...{ ...plain, runId, step, phase: 'assistant', position: 0, role: 'assistant', text },
    calls: calls.map(([name, given], index) => ({ callId: `${step}.${index}`, name, input: given })),
  };
}

function result(runId: string, step: number, index: number, text: string, failed = false): StoredMessage {
  return {
    ...{ ...plain, runId, step, phase: 'tool', position: index, role: 'tool', text },
    callId: `${step}.${index}`,
    failed,
  };
}

/** What follows the protocol text, which has a snapshot of its own. */
function conversation(history: StoredMessage[]): LlmMessage[] {
  return assemble({ tools, history, context: contextAt(3) }).messages.slice(1);
}

describe('the three ways into a run', () => {
  test('a fresh run sends protocol, prompt and context', () => {
    const assembled = assemble({
      tools,
      history: [input('a', 1, 'Fix the test.')],
      context: contextAt(1),
    });
    expect(assembled).toMatchSnapshot();
  });

  test('a continued conversation sends the earlier runs first, with ids that stay unique', () => {
    const history = [
      input('a', 1, 'What is in it?'),
      answer('a', 1, '', [['list', '{"path":"."}']]),
      result('a', 1, 0, 'engine.ts'),
      answer('a', 2, 'One file.'),
      input('b', 1, 'Read it.'),
      answer('b', 1, 'Reading.', [['read', '{"path":"engine.ts"}']]),
      result('b', 1, 0, 'No such file: engine.ts', true),
    ];
    expect(conversation(history)).toMatchSnapshot();
  });

  test('a steer comes after the results of the step before it', () => {
    const history = [
      input('a', 1, 'Fix the test.'),
      answer('a', 1, 'Two looks at once.', [
        ['shell', '{"command":"npm test"}'],
        ['read', 'not json'],
      ]),
      // The store may give the results in the order in which they came in.
      result('a', 1, 1, 'The arguments are not JSON.', true),
      result('a', 1, 0, 'Outcome unknown.', true),
      input('a', 2, 'Use pnpm instead.'),
      input('a', 2, 'Call 1.0 was settled: done.', { position: 1, internal: true }),
    ];
    expect(conversation(history)).toMatchSnapshot();
  });
});

test('tools are listed in one order, however they come', () => {
  const history = [input('a', 1, 'Hello.')];
  const one = assemble({ tools, history, context: contextAt(3) });
  const other = assemble({ tools: tools.toReversed(), history, context: contextAt(3) });
  expect(one.tools.map(({ name }) => name)).toEqual(['read', 'shell']);
  expect(other).toEqual(one);
});

test('the context holds the blocks in the order given, one of each owner', () => {
  const limits = { owner: 'limits', text: 'Step 1 of at most 2' };
  const clock = { owner: 'clock', text: 'Date: today' };
  const told = (context: { owner: string; text: string }[]) =>
    assemble({ tools, history: [], context }).messages.slice(1);
  expect(told([clock, limits])).toEqual([
    { role: 'user', text: '<perdure:context>\nDate: today\nStep 1 of at most 2\n</perdure:context>' },
  ]);
  expect(() => told([clock, limits, clock])).toThrow('an owner has two blocks: clock, limits, clock');
  const [, project] = contextOf({ ...run, project_path: null }, 1, new Date());
  expect(project).toEqual({ owner: 'project', text: 'Project: none' });
});

test('a call without a result, with two, and a result without a call are bugs', () => {
  const asked = [input('a', 1, 'Go.'), answer('a', 1, '', [['list', '{}']])];
  expect(() => conversation(asked)).toThrow('call 1.0 of run a has no result');
  expect(() => conversation([...asked, result('a', 1, 0, 'x'), result('a', 1, 0, 'y')])).toThrow(
    'call 1.0 of run a has two results',
  );
  expect(() => conversation([...asked, result('a', 1, 0, 'x'), result('a', 1, 7, 'y')])).toThrow(
    'a result belongs to call "1.7", which no answer of its step made',
  );
});

test('names and texts that a provider would refuse are made harmless', () => {
  const history = [
    input('a', 1, 'Half a pair: \uD83D'),
    answer('a', 1, '', [
      ['rm -rf /', '{}'],
      ['', '{"x":"\uDE00"}'],
    ]),
    result('a', 1, 0, ''),
    result('a', 1, 1, ''),
  ];
  expect(conversation(history).slice(0, 2)).toEqual([
    { role: 'user', text: '<perdure:message>\nHalf a pair: \uFFFD\n</perdure:message>' },
    {
      role: 'assistant',
      text: '',
      calls: [
        { id: 'call_1_1_0', name: 'rm_-rf__', input: '{}' },
        { id: 'call_1_1_1', name: 'unnamed', input: '{"x":"\uFFFD"}' },
      ],
    },
  ]);
});

// Text that tries to look like ours, in pieces that fast-check joins.
const hostileText = fc
  .array(
    fc.oneof(
      fc.string(),
      fc.constantFrom(
        '<',
        '</',
        '</perdure:result>',
        '\n',
        '<perdure:note>',
        '< / PERDURE :message>',
        'perdure:',
        '\u200b',
      ),
    ),
  )
  .map((pieces) => pieces.join(''));

const step = fc.record({
  inputs: fc.array(fc.record({ text: hostileText, internal: fc.boolean() }), { maxLength: 3 }),
  text: hostileText,
  calls: fc.array(fc.record({ name: fc.string(), input: fc.string(), output: hostileText }), {
    maxLength: 4,
  }),
});

const program = fc.array(
  fc.record({ prompt: hostileText, steps: fc.array(step, { minLength: 1, maxLength: 4 }) }),
  {
    minLength: 1,
    maxLength: 4,
  },
);

/** The history as it stands before each model call of the program. */
function turnsOf(runs: typeof program extends fc.Arbitrary<infer Runs> ? Runs : never): StoredMessage[][] {
  const history: StoredMessage[] = [];
  const turns: StoredMessage[][] = [];
  runs.forEach(({ prompt, steps }, runIndex) => {
    const runId = `run-${runIndex}`;
    history.push(input(runId, 1, prompt));
    steps.forEach(({ inputs, text, calls }, stepIndex) => {
      const number = stepIndex + 1;
      inputs.forEach((each, index) =>
        history.push(input(runId, number, each.text, { ...each, position: index + 1 })),
      );
      turns.push([...history]);
      history.push(
        answer(
          runId,
          number,
          text,
          calls.map((call) => [call.name, call.input]),
        ),
      );
      calls.forEach((call, index) => history.push(result(runId, number, index, call.output)));
    });
  });
  return turns;
}

/** What stays: the context is the end of the last message, or a last message of its own. */
function withoutContext(messages: LlmMessage[]): LlmMessage[] {
  return messages.flatMap((message, index): LlmMessage[] => {
    if (message.role === 'system' || message.role === 'assistant') return [message];
    const { context, ...stays } = message;
    if (index < messages.length - 1) expect(context).toBeUndefined();
    return untagged(message.text)?.tag === 'context' ? [] : [stays];
  });
}

test('what was sent in one turn is a prefix of what is sent in the next', () => {
  fc.assert(
    fc.property(program, (runs) => {
      const sent = turnsOf(runs).map((history, index) => {
        const { messages, tools: listed } = assemble({
          tools,
          history,
          context: contextAt(index + 1),
        });
        return JSON.stringify([listed, ...withoutContext(messages)]).slice(0, -1);
      });
      sent.slice(1).forEach((later, index) => expect(later.startsWith(sent[index] ?? 'none')).toBe(true));
    }),
  );
});

test('every call id of a request is unique and directly followed by its results in order', () => {
  fc.assert(
    fc.property(program, (runs) => {
      const messages = conversation(turnsOf(runs).at(-1) ?? []);
      const asked: string[] = [];
      messages.forEach((message, index) => {
        if (message.role !== 'assistant') return;
        const ids = message.calls.map((call) => call.id);
        const following = messages.slice(index + 1, index + 1 + ids.length);
        expect(following.map((each) => (each.role === 'tool' ? each.callId : each.role))).toEqual(ids);
        asked.push(...ids);
      });
      expect(new Set(asked).size).toBe(asked.length);
      expect(messages.filter(({ role }) => role === 'tool')).toHaveLength(asked.length);
    }),
  );
});

test('no text of a person or a tool opens or closes a block', () => {
  fc.assert(
    fc.property(program, (runs) => {
      for (const message of conversation(turnsOf(runs).at(-1) ?? [])) {
        if (message.role !== 'user' && message.role !== 'tool') continue;
        const block = untagged(message.text);
        expect(block?.text).not.toMatch(/<[\s\u200b]*\/?[\s\u200b]*perdure\s*:/i);
        expect(message.text.match(/<\/?perdure:/g)).toHaveLength(2);
      }
    }),
  );
});

test('a text of a million spaces after a bracket is marked at once', () => {
  const text = `<${' '.repeat(1_000_000)}perdure:note>`;
  expect(untagged(String(conversation([input('a', 1, text)])[0]?.text))?.text).toBe(text);
});
