// One line for each answered request; failures have told their reason before.
import type { FastifyInstance } from 'fastify';
import { pathOf } from './errors.ts';

export function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        // Without the query: cursors and filters tell nothing, and no user should learn to put secrets there.
        path: pathOf(request.url),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'request',
    );
  });
}
