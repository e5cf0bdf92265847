// Going down in order: new requests are refused, streams end, what is under way finishes, the rest is cut.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { Failure } from '../../workflows/contracts/failures.ts';

// Requests take milliseconds; one that waits for a frozen Postgres is not worth more.
const drainMs = 8_000;

export function drainOnClose(app: FastifyInstance, endStreams: () => void): void {
  let closing = false;
  let cut: NodeJS.Timeout | undefined;
  const idle = trackIdle(app);
  app.addHook('onRequest', async () => {
    if (closing) throw new Failure('ShuttingDown', 'This server is shutting down; try again in a moment.');
  });
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
  });
  app.addHook('preClose', async () => {
    closing = true;
    endStreams();
    for (const socket of idle) socket.destroy();
    cut = setTimeout(() => app.server.closeAllConnections(), drainMs);
  });
  app.addHook('onClose', async () => clearTimeout(cut));
}

/** Connections without a request under way; to Node, one that had none yet (browsers open them ahead) is busy. */
function trackIdle(app: FastifyInstance): Set<Socket> {
  const idle = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    idle.add(socket);
    socket.once('close', () => idle.delete(socket));
  });
  app.server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    idle.delete(socket);
    response.once('close', () => {
      if (!socket.destroyed) idle.add(socket);
    });
  });
  return idle;
}
