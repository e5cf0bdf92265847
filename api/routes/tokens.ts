// Tokens of the API: who may ask it for anything. Every token may do everything, so that each can make and revoke others.
import { z } from 'zod';
import { listTokens, toTokenView } from '../../activities/store/access/token-lists.ts';
import { flag, id, page } from '../../workflows/contracts/fields.ts';
import {
  CreatedTokenView,
  CreateTokenBody,
  RevokedTokenView,
  TokenListView,
} from '../../workflows/contracts/token.ts';
import type { Routes } from '../parts.ts';
import { createToken, revokeToken } from '../verbs/change-tokens.ts';
import { at, pageExample } from './examples.ts';
import { newestFirst, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const example = {
  id: '0193d5a4-55d0-7a11-8c3f-90b4a7c1de02',
  name: 'ci',
  state: 'usable',
  inDataFolder: false,
  createdAt: at,
  createdBy: 'first (cli)',
  expiresAt: '2026-04-05T09:30:00.000Z',
  lastUsedAt: null,
  revokedAt: null,
};

export const tokenRoutes: Routes = (api, parts) => {
  api.get(
    '/tokens',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['tokens'],
        operationId: 'listTokens',
        summary: 'Tokens that count, newest first; never their values',
        description: 'With when each was used last.',
        querystring: page.extend({
          all: flag.optional().describe('true: also those that are revoked or expired.'),
        }),
        response: { 200: TokenListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(query, newestFirst, (asked) => listTokens(parts.db, { tenantId, ...asked }), toTokenView),
  );

  api.post(
    '/tokens',
    {
      config: {
        example: {
          body: { name: 'ci', expiresInDays: 90 },
          answer: { ...example, value: 'pdr_…', note: 'Keep the value now.' },
        },
      },
      schema: {
        tags: ['tokens'],
        operationId: 'createToken',
        summary: 'Another token; its value is in this answer and nowhere else',
        description:
          'Under an Idempotency-Key the answer comes again without the value, which is not stored: revoke that token and make another.',
        body: CreateTokenBody,
        response: { 201: CreatedTokenView, ...problems, ...refusals('TokenExists') },
      },
    },
    async (request, reply) => {
      // Neither a browser nor a proxy keeps it.
      reply.header('cache-control', 'no-store');
      return parts.mutate(request, reply, createToken, request.body);
    },
  );

  api.delete(
    '/tokens/:id',
    {
      config: {
        example: { answer: { ...example, state: 'revoked', revokedAt: at, warning: null } },
      },
      schema: {
        tags: ['tokens'],
        operationId: 'revokeToken',
        summary: 'Revoke a token: it counts for nothing at once, and its open streams end',
        description:
          'The last usable one too; `warning` says so. The machine of the server can make one at any time.',
        params: z.object({ id }),
        response: { 200: RevokedTokenView, ...problems },
      },
    },
    (request, reply) => {
      const tokenId = request.params.id;
      // This process knows before it answers; the others hear it with the commit.
      const forget = () => parts.tokens.forget(tokenId);
      const revoke: typeof revokeToken = async (...given) => ({
        ...(await revokeToken(...given)),
        after: forget,
      });
      return parts.mutate(request, reply, revoke, { tokenId });
    },
  );
};
