// Who is asking: a bearer token, known by its SHA-256. A revoked or expired one is refused at once.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { KnownTokens } from '../known-tokens.ts';
import type { Caller } from '../verbs/verb.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller;
    tokenId: string;
  }
}

// The alphabet of RFC 6750; ours have 47 characters.
const bearer = /^Bearer +([A-Za-z0-9._~+/-]{1,256}=*)$/i;
// Our own clients that name themselves. It is a label for people: nothing is allowed or refused by it.
const surfaces = ['cli', 'page'];

export function authenticate(app: FastifyInstance, tokens: KnownTokens): void {
  app.addHook('onRequest', async (request, reply) => {
    const token = tokenOf(request);
    const found = token === undefined ? undefined : await tokens.verify(token);
    if (!found) {
      reply.header('www-authenticate', 'Bearer');
      throw new Failure(
        'Unauthorized',
        'A valid token is needed: send "Authorization: Bearer <token>" once. It is in the file "token" of the data folder; one that is revoked or expired is none.',
      );
    }
    const { id, tenantId, name } = found;
    request.tokenId = id;
    request.caller = { tenantId, name, surface: surfaceOf(request), requestId: request.id };
  });
}

function surfaceOf(request: FastifyRequest): string {
  const named = request.headers['x-perdure-surface'];
  return surfaces.find((surface) => surface === named) ?? 'api';
}

/** Node keeps the first of two headers and drops the other; two are refused rather than one of them believed. */
function tokenOf(request: FastifyRequest): string | undefined {
  const { rawHeaders } = request.raw;
  let given = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === 'authorization') given += 1;
  }
  if (given !== 1) return undefined;
  return bearer.exec(request.headers.authorization ?? '')?.[1];
}
