// Going down in order: new requests are refused, streams end, what is under way finishes, the rest is cut.
import type { FastifyInstance } from 'fastify';
import { Failure } from '../../workflows/contracts/failures.ts';

// Longer than the longest statement of a request (15 seconds would be a frozen Postgres: not worth waiting for).
const drainMs = 8_000;

export function drainOnClose(app: FastifyInstance, endStreams: () => void): void {
  let closing = false;
  let cut: NodeJS.Timeout | undefined;
  app.addHook('onRequest', async (_request, reply) => {
    if (!closing) return;
    reply.header('connection', 'close');
    throw new Failure('ShuttingDown', 'This server is shutting down; try again in a moment.');
  });
  app.addHook('preClose', async () => {
    closing = true;
    endStreams();
    cut = setTimeout(() => app.server.closeAllConnections(), drainMs);
  });
  app.addHook('onClose', async () => clearTimeout(cut));
}
