// The client against a server that fails on purpose: dropped streams, repeated frames, gaps, restarts. What a
// healthy server answers is the matter of the API's own tests.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { BrokenStream, createClient, ProblemError, Unreachable } from '../../../api/client/client.ts';
import type { Event } from '../../../workflows/contracts/event.ts';

const runId = '01900000-0000-7000-8000-000000000001';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const servers: Server[] = [];

/** Answers the first request with the first answer and so on; the last one answers whatever follows. */
async function startFake(
  ...answers: Answer[]
): Promise<{ url: string; seen: IncomingMessage[]; bodies: string[] }> {
  const seen: IncomingMessage[] = [];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const answer = answers[Math.min(seen.length, answers.length - 1)];
    seen.push(request);
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      bodies.push(body);
      answer?.(request, response);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, bodies };
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

function textEvent(seq: number): Event {
  const payload = { step: 1, block: 0, text: `word ${seq}` };
  return { ...envelope(seq), type: 'text-delta', payload };
}

function endEvent(seq: number): Event {
  const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };
  const end = { final: true, status: 'succeeded', reason: 'finished', reasonText: 'Finished.' } as const;
  return { ...envelope(seq), type: 'run-end', payload: { ...end, steps: 1, usage, costMicros: 0 } };
}

function envelope(seq: number) {
  const at = '2026-01-01T00:00:00.000Z';
  return { stream: `run/${runId}`, seq, conversationSeq: seq, at, version: 1, attempt: 1 };
}

function frame(event: Event): string {
  return `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** A stream that writes these pieces and then ends as told. */
function stream(pieces: (string | Buffer)[], end: 'end' | 'destroy' | 'stay' = 'end'): Answer {
  async function writeAll(response: ServerResponse): Promise<void> {
    for (const piece of pieces) await new Promise((resolve) => response.write(piece, resolve));
    if (end === 'end') response.end();
    if (end === 'destroy') response.destroy();
  }
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    void writeAll(response);
  };
}

const refuseConnection: Answer = (request) => void (request.socket as Socket).destroy();

function problem(status: number, code: string, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    const body = {
      type: `x/${code}`,
      title: code,
      status,
      detail: `${code} happened`,
      code,
      requestId: 'r1',
    };
    response.writeHead(status, { 'content-type': 'application/problem+json', ...headers });
    response.end(JSON.stringify(body));
  };
}

function json(status: number, body: unknown): Answer {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
}

async function collect(events: AsyncIterable<Event>): Promise<Event[]> {
  const found: Event[] = [];
  for await (const event of events) found.push(event);
  return found;
}

// Longer than a machine stands still, but for those that are to give up.
const client = (url: string, retryForMs = 60_000, giveUpAfterMs = 60_000) =>
  createClient({ url, token: 'secret', retryForMs, giveUpAfterMs });

describe('a watched run', () => {
  const whole = [textEvent(1), textEvent(2), textEvent(3), endEvent(4)];

  test('yields every event once and ends at the last one, although the server keeps the stream open', async () => {
    const { url, seen } = await startFake(stream([whole.map(frame).join('')], 'stay'));
    expect(await collect(client(url).watchRun(runId))).toEqual(whole);
    expect(seen.map((request) => [request.url, request.headers.authorization])).toEqual([
      [`/api/v1/runs/${runId}/stream?after=0`, 'Bearer secret'],
    ]);
  });

  test('goes on after the last event it saw when the connection drops in the middle of a frame', async () => {
    const half = frame(textEvent(2)).slice(0, 40);
    const { url, seen } = await startFake(
      stream([frame(textEvent(1)), half], 'destroy'),
      refuseConnection,
      problem(503, 'StoreUnavailable'),
      stream(whole.slice(1).map(frame)),
    );
    const told: string[] = [];
    const events = client(url).watchRun(runId, {
      onLost: () => told.push('lost'),
      onBack: () => told.push('back'),
    });
    expect(await collect(events)).toEqual(whole);
    expect(seen.map((request) => request.url?.split('?')[1])).toEqual([
      'after=0',
      'after=1',
      'after=1',
      'after=1',
    ]);
    expect(told).toEqual(['lost', 'back']);
  });

  test('leaves out frames that the server repeats', async () => {
    const { url } = await startFake(
      stream([frame(textEvent(1)), frame(textEvent(1)), frame(textEvent(2))]),
      stream([frame(textEvent(1)), frame(textEvent(2)), frame(textEvent(3)), frame(endEvent(4))]),
    );
    expect(await collect(client(url).watchRun(runId))).toEqual(whole);
  });

  test('refuses a gap instead of skipping over it', async () => {
    const { url } = await startFake(stream([frame(textEvent(1)), frame(textEvent(3))]));
    await expect(collect(client(url).watchRun(runId))).rejects.toThrow(BrokenStream);
  });

  test('ends without an event when the cursor is at the end already', async () => {
    const { url } = await startFake((_request, response) => void response.writeHead(204).end());
    expect(await collect(client(url).watchRun(runId, { after: 4 }))).toEqual([]);
  });

  test('throws the answer of the server when it refuses the cursor', async () => {
    const { url } = await startFake(problem(400, 'InvalidCursor'));
    const refusal = await collect(client(url).watchRun(runId, { after: 99 })).catch(
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(ProblemError);
    expect((refusal as ProblemError).problem.code).toBe('InvalidCursor');
  });

  test('waits as long as the server asks before it connects again', async () => {
    const { url } = await startFake(
      stream(['retry: 400\n\n', frame(textEvent(1))]),
      stream(whole.map(frame)),
    );
    const began = performance.now();
    expect(await collect(client(url).watchRun(runId))).toEqual(whole);
    expect(performance.now() - began).toBeGreaterThanOrEqual(390);
  });

  test('stops with the reason of its signal, and closes the connection', async () => {
    const gone = Promise.withResolvers<void>();
    const { url } = await startFake((request, response) => {
      response.on('close', gone.resolve);
      stream([frame(textEvent(1))], 'stay')(request, response);
    });
    const stop = new AbortController();
    const found: Event[] = [];
    const watching = (async () => {
      for await (const event of client(url).watchRun(runId, { signal: stop.signal })) {
        found.push(event);
        stop.abort(new Error('enough'));
      }
    })();
    await expect(watching).rejects.toThrow('enough');
    await gone.promise;
    expect(found).toEqual([textEvent(1)]);
  });

  test('closes the connection when the reader walks away', async () => {
    const gone = Promise.withResolvers<void>();
    const { url } = await startFake((request, response) => {
      response.on('close', gone.resolve);
      stream([frame(textEvent(1))], 'stay')(request, response);
    });
    for await (const event of client(url).watchRun(runId)) {
      expect(event).toEqual(textEvent(1));
      break;
    }
    await gone.promise;
  });

  test('ends as unreachable when nobody answers for long enough', async () => {
    const { url } = await startFake(stream([frame(textEvent(1))]), refuseConnection);
    const found: Event[] = [];
    const watching = (async () => {
      for await (const event of client(url, undefined, 300).watchRun(runId)) found.push(event);
    })();
    await expect(watching).rejects.toThrow(Unreachable);
    expect(found).toEqual([textEvent(1)]);
  });

  test('loses nothing and repeats nothing, wherever the bytes are cut and the connection drops', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 700 }), { maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 }),
        async (drops, cuts) => {
          const events = [
            textEvent(1),
            { ...textEvent(2), payload: { step: 1, block: 0, text: 'é😀 \n data: x' } },
          ];
          const all = [...events, endEvent(3)] as Event[];
          const answers: Answer[] = [...drops, undefined].map((drop) => (request, response) => {
            const after = Number(new URL(request.url ?? '', 'http://x').searchParams.get('after'));
            const bytes = Buffer.from(
              all
                .filter((event) => event.seq > after)
                .map(frame)
                .join(''),
            );
            const kept = bytes.subarray(0, drop);
            const points = [
              0,
              ...cuts.map((cut) => Math.floor((kept.length * cut) / 10)).toSorted((a, b) => a - b),
            ];
            const pieces = points.map((point, index) =>
              kept.subarray(point, points[index + 1] ?? kept.length),
            );
            stream(pieces, drop === undefined ? 'end' : 'destroy')(request, response);
          });
          const { url } = await startFake(...answers);
          expect(await collect(client(url).watchRun(runId))).toEqual(all);
        },
      ),
      { numRuns: 15 },
    );
  });
});

test('a watched conversation counts in the numbers of the conversation', async () => {
  const first = { ...textEvent(7), conversationSeq: 1 };
  const second = { ...textEvent(1), conversationSeq: 2 };
  const { url } = await startFake(stream([frame(first), frame(second)]), stream([], 'stay'));
  const found: Event[] = [];
  for await (const event of client(url).watchConversation(runId)) {
    if (found.push(event) === 2) break;
  }
  expect(found).toEqual([first, second]);
});

describe('a request', () => {
  const at = { streamUrl: '/s', eventsUrl: '/e' };
  const accepted = { id: runId, conversationId: runId, status: 'queued', became: 'run', ...at };

  test('is sent again with the same key and body when the connection dies, and once only when it does not', async () => {
    const { url, seen, bodies } = await startFake(
      refuseConnection,
      problem(503, 'ShuttingDown'),
      json(202, accepted),
    );
    expect(await client(url).startRun({ prompt: 'hello' })).toEqual(accepted);
    const keys = new Set(seen.map((request) => request.headers['idempotency-key']));
    expect({ requests: seen.length, keys: keys.size, bodies: new Set(bodies) }).toEqual({
      requests: 3,
      keys: 1,
      bodies: new Set([JSON.stringify({ prompt: 'hello' })]),
    });
    await client(url).startRun({ prompt: 'hello' });
    expect(new Set(seen.map((request) => request.headers['idempotency-key'])).size).toBe(2);
    expect(seen.length).toBe(4);
  });

  test('waits for its own first attempt that the server still works on', async () => {
    const { url } = await startFake(problem(409, 'RequestInFlight'), json(202, accepted));
    expect(await client(url).startRun({ prompt: 'hello' })).toEqual(accepted);
  });

  test('that the server refuses is not sent again', async () => {
    const { url, seen } = await startFake(problem(409, 'ConversationBusy'));
    const refusal = await client(url)
      .startRun({ prompt: 'hello' })
      .catch((error: unknown) => error);
    expect((refusal as ProblemError).problem.code).toBe('ConversationBusy');
    expect(seen.length).toBe(1);
  });

  test('that nobody answers ends as unreachable, with the reason', async () => {
    const { url } = await startFake(refuseConnection);
    const error = await client(url, 0)
      .run(runId)
      .catch((problem_: unknown) => problem_);
    expect(error).toBeInstanceOf(Unreachable);
    expect((error as Unreachable).message).toContain(url);
  });

  test('tells an answer that is not ours by its status', async () => {
    const { url } = await startFake((_request, response) => void response.writeHead(418).end('<html>'));
    await expect(client(url).models()).rejects.toThrow('The server answered 418 without saying why.');
  });

  test('keeps whatever is in an id inside its place in the path', async () => {
    const { url, seen } = await startFake(json(200, {}));
    await client(url).run('../models?x=#y');
    expect(seen[0]?.url).toBe('/api/v1/runs/..%2Fmodels%3Fx%3D%23y');
  });

  test('reads a degraded readiness as an answer', async () => {
    const up = { state: 'up', latencyMs: 1, problem: null };
    const view = { status: 'degraded', postgres: up, temporal: { ...up, state: 'down' }, workers: up };
    const { url, seen } = await startFake(json(503, view));
    expect(await client(url).ready()).toEqual(view);
    expect(seen.length).toBe(1);
  });
});
