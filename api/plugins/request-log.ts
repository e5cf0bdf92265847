// One line for each answered request; failures have told their reason before.
import type { ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { pathOf } from './errors.ts';

interface Asked {
  method: string;
  /** Without the query: cursors and filters tell nothing, and no user should learn to put secrets there. */
  path: string;
}

export function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    log(request.log, askedIn(request), reply.statusCode, reply.elapsedTime);
  });
}

function askedIn({ method, url }: FastifyRequest): Asked {
  return { method, path: pathOf(url) };
}

function log(logger: FastifyBaseLogger, asked: Asked, status: number, ms: number): void {
  logger.info({ ...asked, status, ms: Math.round(ms) }, 'request');
}

/**
 * Logs a hijacked answer that stays open for long, at its end. For the line of the hook above Fastify keeps its request,
 * its reply and their logger until then, more than all else that an open stream needs; so its listener, of this name, is
 * taken away. A Fastify that calls it otherwise keeps it, and costs that memory.
 */
export function logWhenClosed(request: FastifyRequest, reply: FastifyReply): void {
  const { raw, elapsedTime } = reply;
  const kept = raw.listeners('finish').filter(({ name }) => name === 'onResFinished');
  if (kept.length === 0) return;
  for (const listener of kept as (() => void)[]) raw.off('finish', listener).off('error', listener);
  afterClose(raw, reply.server.log, { requestId: request.id, ...askedIn(request) }, elapsedTime);
}

/** A function of its own, so that what it waits with holds neither the request nor the reply. */
function afterClose(
  answer: ServerResponse,
  logger: FastifyBaseLogger,
  asked: Asked & { requestId: string },
  elapsedMs: number,
): void {
  const begunAt = performance.now() - elapsedMs;
  answer.once('close', () => log(logger, asked, answer.statusCode, performance.now() - begunAt));
}
