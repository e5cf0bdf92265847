// One loopback server that is a server of each kind: it holds requests against the rules of theirs, and answers by how
// far their conversation has come. An answer may be held in its middle until its connection is gone.
import { type Kind, kinds, toEvents, type Turn } from './answering-server.ts';
import { createRawServer, refuses } from './raw-server.ts';
import { refusalOf } from './request-rules.ts';

export interface EveryServer {
  /** Settings of the product under which `modelOf(kind)` is answered by it. */
  environment: Record<string, string>;
  /** Of each kind by its name: what it refused, and how often each step was asked of it. */
  seen: Map<string, { refusals: string[]; asks: number[] }>;
  /** Whose answer is held. */
  held: Set<string>;
  close(): Promise<void>;
}

export interface Script {
  turnOf(kind: Kind, step: number): Turn;
  /** The step whose first answer stops in its middle. */
  holds: number;
}

const own: Record<string, string> = {
  openai: 'openai/gpt-5.4',
  anthropic: 'anthropic/claude-sonnet-5',
  gemini: 'google/gemini-3.5-flash',
};

export const modelOf = ({ server }: Kind): string => own[server] ?? `compatible/${server.replace(' ', '-')}`;

export async function startEveryServer({ turnOf, holds }: Script): Promise<EveryServer> {
  const seen: EveryServer['seen'] = new Map(
    kinds.map(({ server }) => [server, { refusals: [], asks: [] }] as const),
  );
  const held: EveryServer['held'] = new Set();
  const server = await createRawServer(async (response, request) => {
    const body = server.bodies.at(-1) as Record<string, unknown>;
    const kind = kindOf(request.url ?? '', body);
    const { refusals, asks } = seen.get(kind.server) as { refusals: string[]; asks: number[] };
    const refusal = refusalOf(kind.server, body);
    if (refusal !== undefined) {
      refusals.push(refusal);
      return refuses(400, { error: { message: refusal, type: 'invalid_request_error' } })(response, request);
    }
    const step = answersIn(kind, body) + 1;
    asks[step - 1] = (asks[step - 1] ?? 0) + 1;
    const events = toEvents(kind, turnOf(kind, step), step);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (step !== holds || asks[step - 1] !== 1) return void response.end(events.join(''));
    response.write(events.slice(0, Math.ceil(events.length / 2)).join(''));
    held.add(kind.server);
  });
  const profiles = kinds
    .filter(({ format }) => format === 'chat')
    .map((kind) => [modelOf(kind), { profile: kind.server === 'openai chat' ? 'openai' : kind.server }]);
  return {
    environment: {
      OPENAI_API_KEY: 'key-of-openai',
      PERDURE_OPENAI_BASE_URL: `${server.url}/openai/v1`,
      ANTHROPIC_API_KEY: 'key-of-anthropic',
      PERDURE_ANTHROPIC_BASE_URL: `${server.url}/anthropic/v1`,
      GOOGLE_GENERATIVE_AI_API_KEY: 'key-of-gemini',
      PERDURE_GOOGLE_BASE_URL: `${server.url}/gemini/v1beta`,
      PERDURE_COMPATIBLE_BASE_URL: `${server.url}/v1`,
      PERDURE_MODEL_PROFILES: JSON.stringify(Object.fromEntries(profiles)),
    },
    seen,
    held,
    close: server.close,
  };
}

function kindOf(url: string, { model }: Record<string, unknown>): Kind {
  const kind = kinds.find((each) =>
    each.format === 'chat'
      ? modelOf(each) === `compatible/${String(model)}`
      : url.startsWith(`/${each.server}/`),
  );
  if (kind === undefined) throw new Error(`nobody is asked by ${url}`);
  return kind;
}

/** How many answers a request has of its conversation. */
function answersIn({ format }: Kind, { messages, contents, input }: Record<string, unknown>): number {
  const all = (messages ?? contents ?? input) as { role?: string; type?: string }[];
  const isAnswer: Record<Kind['format'], (each: { role?: string; type?: string }) => boolean> = {
    chat: ({ role }) => role === 'assistant',
    anthropic: ({ role }) => role === 'assistant',
    gemini: ({ role }) => role === 'model',
    // Each of its answers has one.
    responses: ({ type }) => type === 'reasoning',
  };
  return all.filter(isAnswer[format]).length;
}
