// Who is asking: a bearer token, known by its SHA-256. A revoked one stops working within five seconds.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { Db } from '../../activities/store/db/database.ts';
import { findToken, hashOfToken } from '../../activities/store/access/tokens.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { Caller } from '../verbs/verb.ts';

type KnownToken = Pick<Caller, 'tenantId' | 'name'> & { tokenId: string };

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller;
    tokenId: string;
  }
}

// One second under what is promised: the lookup itself takes part of it.
const rememberMs = 4_000;
// More tokens than a self-hosted server hands out; beyond it they are only looked up more often.
const rememberTokens = 1_000;
// The alphabet of RFC 6750; ours have 47 characters.
const bearer = /^Bearer +([A-Za-z0-9._~+/-]{1,256}=*)$/i;
// Those of our own that say which they are. It is a label for people: nothing is allowed or refused by it.
const surfaces = ['cli', 'page'];

export function authenticate(app: FastifyInstance, input: { db: Db; tenantId: string }): void {
  const known = new LRUCache<string, KnownToken>({ max: rememberTokens, ttl: rememberMs });

  async function tokenKnownAs(token: string): Promise<KnownToken | undefined> {
    const hash = hashOfToken(token);
    const name = hash.toString('hex');
    const remembered = known.get(name);
    if (remembered) return remembered;
    const row = await findToken(input.db, input.tenantId, hash);
    if (!row) return undefined;
    const found: KnownToken = { tokenId: row.id, tenantId: row.tenant_id, name: row.name };
    known.set(name, found);
    return found;
  }

  app.addHook('onRequest', async (request, reply) => {
    const token = tokenOf(request);
    const found = token === undefined ? undefined : await tokenKnownAs(token);
    if (!found) {
      reply.header('www-authenticate', 'Bearer');
      throw new Failure(
        'Unauthorized',
        'Send "Authorization: Bearer <token>" once; the token is in the file "token" of the data folder.',
      );
    }
    const { tokenId, tenantId, name } = found;
    request.tokenId = tokenId;
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
