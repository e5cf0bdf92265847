// A loopback server that writes exact bytes: for what a provider does only when something is wrong with it.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RawServer {
  url: string;
  /** Settles when a connection is closed. */
  hungUp: Promise<void>;
  /** Bodies of the requests, in the order in which they came in. */
  bodies: unknown[];
  close(): Promise<void>;
}

export type Answer = (response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

export async function createRawServer(answer: Answer): Promise<RawServer> {
  const gone = Promise.withResolvers<void>();
  const bodies: unknown[] = [];
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    if (body !== '') bodies.push(JSON.parse(body));
    await answer(response, request);
  }
  const server = createServer((request, response) => void take(request, response));
  server.on('connection', (socket) => socket.once('close', () => gone.resolve()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hungUp: gone.promise,
    bodies,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Writes the pieces of an event stream; without `end` the connection stays open and silent. */
export function streams(pieces: string[], end: 'end' | 'cut' | 'stall' = 'end'): Answer {
  return async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) {
      response.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (end === 'end') response.end();
    // The last piece must leave before the connection breaks.
    if (end === 'cut') setTimeout(() => response.destroy(), 50);
  };
}

export function refuses(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}
