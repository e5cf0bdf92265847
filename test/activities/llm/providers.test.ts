// The conformance list over the real wire formats. aimock plays the providers; what it cannot do (caches in the
// usage, impossible usage, stalls, cuts inside an event, a look at the socket) the raw server writes byte for byte.
import { LLMock } from '@copilotkit/aimock';
import { createLlms, findLlm } from '../../../activities/llm/index.ts';
import type { Llm } from '../../../activities/llm/llm.ts';
import { conformance, type Scene, type Stage } from './conformance.ts';
import { type Answer, createRawServer, refuses, streams } from './raw-server.ts';
import { type Wire, wires } from './wires.ts';

function llmOf(wire: Wire, address: string, scene: Scene): Llm {
  const name = wire.provider;
  // Where silence is not the point, a slow machine must not look like one.
  const stalls = { firstMs: 60_000, betweenMs: scene === 'stall' ? 200 : 60_000 };
  const llms = createLlms({ [`${name}ApiKey`]: 'k', [`${name}BaseUrl`]: address + wire.path, stalls });
  const found = findLlm(llms, `${name}/${wire.model}`);
  if (found === undefined) throw new Error(`${name} is not in the list`);
  return found.llm;
}

type Mocked = Parameters<LLMock['onMessage']>[1];

const call = (name: string, input: string, id?: string) => ({
  name,
  arguments: input,
  ...(id !== undefined && { id }),
});

const mocked: Partial<Record<Scene, Mocked>> = {
  text: { content: 'Hello from the model.' },
  call: { toolCalls: [call('list', '{"path":"."}')] },
  'parallel-calls': { toolCalls: [call('read', '{"path":"a"}'), call('read', '{"path":"b"}')] },
  'unknown-tool': { toolCalls: [call('no-such-tool', '{}')] },
  'malformed-call': { toolCalls: [call('list', '{"path":')] },
  'duplicate-ids': {
    toolCalls: [call('read', '{"path":"a"}', 'call_0'), call('read', '{"path":"b"}', 'call_0')],
  },
  thinking: { content: 'Seen.', reasoning: 'Let me see.' },
  'rate-limited': { error: { message: 'Slow down.', type: 'rate_limit_error' }, status: 429, retryAfter: 7 },
};

async function openMock(wire: Wire, scene: Scene, response: Mocked): Promise<Stage> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent', chunkSize: 5 });
  mock.onMessage(/.*/, response);
  await mock.start();
  return { llm: llmOf(wire, mock.url, scene), model: wire.model, close: () => mock.stop() };
}

function written(wire: Wire, scene: Scene): Answer {
  const usage = { input: 1_000, cached: 800, output: 50 };
  const answer = wire.answer(['Hello', ' there'], usage);
  const beginning = [...answer.begin, ...answer.texts.slice(0, 1)];
  switch (scene) {
    case 'usage':
      return streams([...answer.begin, ...answer.texts, ...answer.end]);
    case 'wrong-usage':
    case 'no-usage': {
      const counts =
        scene === 'no-usage' ? { input: 0, cached: 0, output: 0 } : { input: -5, cached: 0, output: 50 };
      const wrong = wire.answer(['Hello'], counts);
      return streams([...wrong.begin, ...wrong.texts, ...wrong.end]);
    }
    case 'malformed-call':
      return streams(wire.malformedCall ?? []);
    case 'overloaded':
      return refuses(...wire.errors.overloaded);
    case 'auth':
      return refuses(...wire.errors.auth);
    case 'too-long':
      return refuses(...wire.errors.tooLong);
    case 'cut':
      return streams([...beginning, (answer.texts[1] ?? '').slice(0, 25)], 'cut');
    case 'early-end':
      return streams(beginning, 'end');
    default:
      return streams(beginning, 'stall');
  }
}

async function openRaw(wire: Wire, scene: Scene): Promise<Stage> {
  const server = await createRawServer(written(wire, scene));
  return {
    llm: llmOf(wire, server.url, scene),
    model: wire.model,
    hungUp: server.hungUp,
    close: () => server.close(),
  };
}

for (const wire of wires) {
  conformance({
    name: wire.provider,
    // Gemini's arguments are an object on the wire, never text.
    without: wire.provider === 'google' ? ['malformed-call'] : [],
    open(scene) {
      // aimock repairs malformed arguments in Anthropic's format.
      const byHand = scene === 'malformed-call' && wire.malformedCall !== undefined;
      const response = mocked[scene];
      return response === undefined || byHand ? openRaw(wire, scene) : openMock(wire, scene, response);
    },
  });
}
