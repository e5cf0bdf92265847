// The request id: the caller's when it is one we can log and store, else ours; echoed with every answer.
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { v7 as uuid } from 'uuid';

// Letters that need no quoting in logs, headers and URLs; 128 hold any tracing id in use.
const acceptable = /^[A-Za-z0-9._-]{1,128}$/;

export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && acceptable.test(given) ? given : uuid();
}

export function echoRequestIds(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
}
