// What goes over the wire and what must not get through it: requests, size, redirects, silence, odd servers.
import { describe, expect, test } from 'vitest';
import { createLlms, findLlm } from '../../../activities/llm/index.ts';
import { type Llm, LlmError, type LlmMessage, type LlmPart } from '../../../activities/llm/llm.ts';
import { testPort } from '../../support/ports.ts';
import { streamOf } from './conformance.ts';
import { type Answer, createRawServer, type RawServer, refuses, streams } from './raw-server.ts';
import { inRunningTime } from './running-time.ts';
import { type Wire, wires } from './wires.ts';

// Where silence is not the point, a slow machine must not look like one.
const patient = { firstMs: 60_000, betweenMs: 60_000 };
const usage = { input: 10, cached: 0, output: 2 };

function llmOf(provider: string, address: string, stalls = patient): Llm {
  const llms = createLlms({ [`${provider}ApiKey`]: 'k', [`${provider}BaseUrl`]: address, stalls });
  const found = findLlm(llms, `${provider}/any`);
  if (found === undefined) throw new Error(`${provider} is not in the list`);
  return found.llm;
}

async function withServer<Result>(
  answer: Answer,
  use: (server: RawServer) => Promise<Result>,
): Promise<Result> {
  const server = await createRawServer(answer);
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}

async function collect(stream: AsyncIterable<LlmPart>): Promise<LlmPart[]> {
  const parts: LlmPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

async function failureOf(stream: AsyncIterable<LlmPart>): Promise<LlmError> {
  try {
    for await (const part of stream) void part;
  } catch (error) {
    if (error instanceof LlmError) return error;
    throw error;
  }
  throw new Error('the stream ended as if all were well');
}

const wireOf = (provider: string): Wire => wires.find((wire) => wire.provider === provider) as Wire;

function whole(wire: Wire, texts: string[]): string[] {
  const answer = wire.answer(texts, usage);
  return [...answer.begin, ...answer.texts, ...answer.end];
}

const conversation: LlmMessage[] = [
  { role: 'system', text: 'Be brief.' },
  { role: 'user', text: 'Look at both.' },
  {
    role: 'assistant',
    text: 'I look.',
    calls: [
      { id: 'call_1_1_0', name: 'read', input: '{"path":"a"}' },
      { id: 'call_1_1_1', name: 'read', input: '{"path":' },
    ],
  },
  { role: 'tool', callId: 'call_1_1_0', name: 'read', text: 'alpha', failed: false },
  { role: 'tool', callId: 'call_1_1_1', name: 'read', text: 'The arguments are not JSON.', failed: true },
  { role: 'assistant', text: '', calls: [] },
  { role: 'user', text: 'Step 2' },
];

describe.each(wires)('$provider', (wire) => {
  test('sends the conversation, tools and limits in its own format', async () => {
    await withServer(streams(whole(wire, ['ok'])), async (server) => {
      const tools = [
        {
          name: 'read',
          description: 'Reads.',
          inputSchema: { type: 'object', properties: { path: { type: 'string' } } },
        },
      ];
      const request = {
        model: wire.model,
        messages: conversation,
        tools,
        maxOutputTokens: 500,
        runId: 'secret-run',
        step: 2,
      };
      await collect(
        llmOf(wire.provider, server.url + wire.path).stream(request, new AbortController().signal),
      );
      expect(server.bodies).toMatchSnapshot();
      expect(JSON.stringify(server.bodies)).not.toContain('secret-run');
    });
  });

  test.each([
    ['a single event', ['x'.repeat(10_000_000)], 'a single event of more than 4 MiB'],
    ['many events', Array<string>(1_000).fill('x'.repeat(10_000)), 'the answer is longer than 4 MiB'],
  ])('refuses an answer of 10 MB in %s, and hangs up', async (_, texts, sentence) => {
    await withServer(streams(whole(wire, texts)), async (server) => {
      const failure = await failureOf(
        streamOf({ llm: llmOf(wire.provider, server.url + wire.path), model: wire.model }),
      );
      expect([failure.kind, failure.message]).toEqual(['bad_request', expect.stringContaining(sentence)]);
      await server.hungUp;
    });
  });

  test('a server that accepts and then never answers is a timeout', async () => {
    const silent: Answer = () => undefined;
    await withServer(silent, async (server) => {
      const llms = createLlms({
        [`${wire.provider}ApiKey`]: 'k',
        [`${wire.provider}BaseUrl`]: server.url + wire.path,
        stalls: { firstMs: 100, betweenMs: 100 },
      });
      const llm = findLlm(llms, `${wire.provider}/x`)?.llm as Llm;
      expect((await failureOf(streamOf({ llm, model: wire.model }))).kind).toBe('timeout');
      await server.hungUp;
    });
  });

  test('does not follow a redirect with the key, and says where it leads', async () => {
    await withServer(streams(whole(wire, ['stolen'])), async (thief) => {
      const redirect: Answer = (response) => {
        response.writeHead(307, { location: `${thief.url}/v2?key=secret` }).end();
      };
      await withServer(redirect, async (server) => {
        const failure = await failureOf(
          streamOf({ llm: llmOf(wire.provider, server.url + wire.path), model: wire.model }),
        );
        const says = `${wire.provider}: ${server.url} sends requests on to ${thief.url}/v2: set its base URL to where it is`;
        expect([failure.kind, failure.message, thief.bodies]).toEqual(['bad_request', says, []]);
      });
    });
  });

  test('a page of HTML with status 200 is an unreadable answer', async () => {
    const page: Answer = (response) => {
      response
        .writeHead(200, { 'content-type': 'text/html' })
        .end('<html><body>Welcome to the hotel</body></html>');
    };
    await withServer(page, async (server) => {
      expect(
        (await failureOf(streamOf({ llm: llmOf(wire.provider, server.url + wire.path), model: wire.model })))
          .kind,
      ).toBe('unreadable');
    });
  });

  test('an endless error document is cut, and its status still counts', async () => {
    const endless: Answer = (response) => {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.write(`{"error":{"message":"${'x'.repeat(200_000)}`);
    };
    await withServer(endless, async (server) => {
      const failure = await failureOf(
        streamOf({ llm: llmOf(wire.provider, server.url + wire.path), model: wire.model }),
      );
      expect([failure.kind, failure.message.length < 2_100]).toEqual(['auth', true]);
    });
  });

  test('nobody listening is a network failure', async () => {
    const url = `http://127.0.0.1:${await testPort()}`;
    const failure = await failureOf(
      streamOf({ llm: llmOf(wire.provider, url + wire.path), model: wire.model }),
    );
    expect([failure.kind, failure.retryable]).toEqual(['network', true]);
  });
});

test('a reader that takes its time is no stall', async () => {
  const wire = wireOf('compatible');
  const answer = wire.answer(['one', 'two', 'three'], usage);
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const slowly: Answer = async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const text of answer.texts) {
      response.write([...(text === answer.texts[0] ? answer.begin : []), text].join(''));
      await pause(350);
    }
    response.end(answer.end.join(''));
  };
  const stalls = { firstMs: 60_000, betweenMs: 300 };
  const read = (): Promise<string> =>
    withServer(slowly, async (server) => {
      let text = '';
      for await (const part of streamOf({ llm: llmOf('compatible', server.url, stalls), model: 'm' })) {
        if (part.type === 'text') text += part.text;
        // As long as a stall may be: only the wait for the provider counts, and that is short each time.
        await pause(stalls.betweenMs);
      }
      return text;
    });
  expect(await inRunningTime(read)).toBe('onetwothree');
});

test('NUL is replaced, and a character split over two pieces stays whole', async () => {
  const wire = wireOf('compatible');
  await withServer(streams(whole(wire, ['a\u0000b \uD83D', '\uDE00 \uD83D'])), async (server) => {
    const parts = await collect(streamOf({ llm: llmOf('compatible', server.url + wire.path), model: 'm' }));
    expect(parts.filter(({ type }) => type === 'text')).toEqual([
      { type: 'text', text: 'a\uFFFDb ' },
      { type: 'text', text: '\u{1F600} ' },
      { type: 'text', text: '\uFFFD' },
    ]);
  });
});

test('an error that Anthropic sends inside its stream keeps its kind', async () => {
  const wire = wireOf('anthropic');
  const answer = wire.answer(['Hello'], usage);
  const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
  const pieces = [...answer.begin, ...answer.texts, `event: error\ndata: ${JSON.stringify(error)}\n\n`];
  await withServer(streams(pieces), async (server) => {
    expect(
      (await failureOf(streamOf({ llm: llmOf('anthropic', server.url + wire.path), model: 'm' }))).kind,
    ).toBe('overloaded');
  });
});

test('a filter that lets nothing through is a refusal, one that stops an answer ends it as refused', async () => {
  const chunk = (delta: object, reason: string | null): string =>
    `data: ${JSON.stringify({ id: 'c', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
  await withServer(streams([chunk({}, 'content_filter'), 'data: [DONE]\n\n']), async (server) => {
    expect((await failureOf(streamOf({ llm: llmOf('compatible', server.url), model: 'm' }))).kind).toBe(
      'content_refused',
    );
  });
  await withServer(
    streams([chunk({ content: 'It is' }, null), chunk({}, 'content_filter'), 'data: [DONE]\n\n']),
    async (server) => {
      expect(await collect(streamOf({ llm: llmOf('compatible', server.url), model: 'm' }))).toEqual([
        { type: 'text', text: 'It is' },
        { type: 'finish', reason: 'refused', usage: undefined },
      ]);
    },
  );
});

describe('compatible/auto', () => {
  test('asks the server which model it has', async () => {
    const wire = wireOf('compatible');
    const answer: Answer = async (response, request) => {
      if (request.url === '/v1/models')
        await refuses(200, { object: 'list', data: [{ id: 'qwen-4' }, { id: 'other' }] })(response, request);
      else await streams(whole(wire, ['ok']))(response, request);
    };
    await withServer(answer, async (server) => {
      await collect(streamOf({ llm: llmOf('compatible', `${server.url}/v1/`), model: 'auto' }));
      expect(server.bodies).toEqual([expect.objectContaining({ model: 'qwen-4' })]);
    });
  });

  test('says what to do when the server lists none', async () => {
    await withServer(refuses(200, { data: [] }), async (server) => {
      const failure = await failureOf(streamOf({ llm: llmOf('compatible', server.url), model: 'auto' }));
      expect([failure.kind, failure.message]).toEqual([
        'bad_request',
        'compatible: /models lists no model (status 200): name one, as compatible/NAME',
      ]);
    });
  });
});
