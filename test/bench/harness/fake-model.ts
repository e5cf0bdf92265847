// A model server on loopback that speaks OpenAI's streaming chat format, as fast or as slow as a benchmark wants.
// What it answers follows from the request alone, so that ours and the floor are told the same.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeModelInput {
  /** Pieces of text in an answer. */
  pieces: number;
  /** Pause between pieces; 0 sends as fast as the socket takes them. */
  pauseMs: number;
  /** Steps whose answer asks for calls; the one after them answers with text alone. */
  toolSteps: number;
  /** The calls of such a step. */
  calls: { name: string; input: unknown }[];
  /** What a piece says; a benchmark may put the time in. */
  piece?(index: number): string;
  /** Waited for before the first piece of that step's answer; steps count from 0. */
  hold?(step: number): Promise<unknown> | undefined;
}

export interface FakeModel {
  url: string;
  /** Resolves with the time, in milliseconds since the epoch, when a client next gives up an answer under way. */
  nextGivenUp(): Promise<number>;
  /** How many answers are under way now. */
  answering(): number;
  close(): Promise<void>;
}

/** A later change of `input` counts for the answers that begin after it. */
export async function startFakeModel(input: FakeModelInput): Promise<FakeModel> {
  let answering = 0;
  const waiting: ((at: number) => void)[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as { messages: { role: string }[] };
      const step = body.messages.filter(({ role }) => role === 'assistant').length;
      answering += 1;
      response.on('close', () => {
        answering -= 1;
        if (response.writableFinished) return;
        const at = performance.timeOrigin + performance.now();
        for (const tell of waiting.splice(0)) tell(at);
      });
      void answer(response, input, step);
    });
  });
  // A benchmark leaves connections idle for longer than a server usually allows.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    nextGivenUp: () => new Promise((resolve) => waiting.push(resolve)),
    answering: () => answering,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(response: ServerResponse, input: FakeModelInput, step: number): Promise<void> {
  const withCalls = step < input.toolSteps;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  await input.hold?.(step);
  for (let index = 0; index < input.pieces && !response.closed; index += 1) {
    send(response, { content: input.piece?.(index) ?? `word${index} ` }, null);
    if (input.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, input.pauseMs));
  }
  if (withCalls) {
    const calls = input.calls.map((call, index) => ({
      index,
      id: `call_${index}`,
      type: 'function',
      function: { name: call.name, arguments: JSON.stringify(call.input) },
    }));
    send(response, { tool_calls: calls }, null);
  }
  send(response, {}, withCalls ? 'tool_calls' : 'stop');
  const usage = { prompt_tokens: 500, completion_tokens: input.pieces, total_tokens: 500 + input.pieces };
  response.write(
    `data: ${JSON.stringify({ id: 'fake', object: 'chat.completion.chunk', choices: [], usage })}\n\n`,
  );
  response.end('data: [DONE]\n\n');
}

function send(response: ServerResponse, delta: object, finish: string | null): void {
  const chunk = {
    id: 'fake',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'fake',
    choices: [{ index: 0, delta, finish_reason: finish }],
  };
  response.write(`data: ${JSON.stringify(chunk)}\n\n`);
}
