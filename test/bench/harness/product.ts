// The product as shipped, beside a model server of ours, and small requests to it that cost their caller little:
// what a benchmark's own client does must not become what it measures.
import { Agent, type IncomingMessage, request } from 'node:http';
import { randomUUID } from 'node:crypto';
import { type Platform, startPlatform } from '../../support/platform.ts';
import { withDescendants } from './cpu.ts';
import { endless, makeEndless } from './endless.ts';
import { type FakeModel, type FakeModelInput, startFakeModel } from './fake-model.ts';

export interface Product {
  platform: Platform;
  model: FakeModel;
  /** Every process of it that lives now. */
  pids(): number[];
  /** Starts a run of the fake model; resolves with its id when it is accepted. */
  startRun(body?: object): Promise<string>;
  post(path: string, body?: object): Promise<string>;
  /** Reads a stream until its end or until `seen` says that it has seen enough. */
  read(path: string, seen: (event: SeenEvent) => boolean | undefined): Promise<void>;
  /** Ends all of it and removes its folder. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SeenEvent {
  type: string;
  /** The JSON of the event, for a caller that wants to look into it. */
  data: string;
  /** When its bytes arrived, in milliseconds since the epoch. */
  at: number;
}

export const now = (): number => performance.timeOrigin + performance.now();

export async function startProduct(
  answers: FakeModelInput,
  environment: Record<string, string> = {},
): Promise<Product> {
  const model = await startFakeModel(answers);
  const platform = await startPlatform({
    environment: { PERDURE_COMPATIBLE_BASE_URL: model.url, ...environment },
  });
  const agent = new Agent({ keepAlive: true });
  const headers = { authorization: `Bearer ${platform.token}`, 'content-type': 'application/json' };

  function call(method: string, path: string, body?: object): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request(`${platform.url}/api/v1${path}`, {
        method,
        agent,
        headers: { ...headers, ...(body ? { 'idempotency-key': randomUUID() } : {}) },
      });
      sent.on('response', resolve).on('error', reject);
      sent.end(body && JSON.stringify(body));
    });
  }

  async function post(path: string, body: object = {}): Promise<string> {
    const answer = await call('POST', path, body);
    const text = Buffer.concat(await answer.toArray()).toString();
    if ((answer.statusCode ?? 500) >= 300)
      throw new Error(`POST ${path} answered ${answer.statusCode}: ${text}`);
    return text;
  }

  async function remove(): Promise<void> {
    await platform.remove();
    await model.close();
  }

  // Its processes are not children of this one: an interrupted benchmark must end them itself.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void remove().finally(() => process.exit(1)));
  }
  await makeEndless(platform);
  return {
    platform,
    model,
    pids: () => withDescendants(platform.processes().flatMap(({ pid }) => pid ?? [])),
    post,
    async startRun(body) {
      const accepted = await post('/runs', {
        prompt: 'Do the work.',
        model: 'compatible/fake',
        ...endless,
        ...body,
      });
      return (JSON.parse(accepted) as { id: string }).id;
    },
    async read(path, seen) {
      const answer = await call('GET', path);
      if (answer.statusCode !== 200) throw new Error(`GET ${path} answered ${answer.statusCode}`);
      for await (const event of eventsIn(answer)) {
        if (!seen(event)) continue;
        answer.destroy();
        return;
      }
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await remove();
    },
  };
}

async function* eventsIn(answer: IncomingMessage): AsyncGenerator<SeenEvent> {
  let rest = '';
  answer.setEncoding('utf8');
  for await (const chunk of answer as AsyncIterable<string>) {
    const at = now();
    const frames = (rest + chunk).split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) {
      const type = /^event: (.+)$/m.exec(frame)?.[1];
      if (type) yield { type, at, data: frame.slice(frame.indexOf('\ndata: ') + 7) };
    }
  }
}
