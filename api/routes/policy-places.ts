// Where policies apply besides a run's own, and the answers people had remembered.
import { z } from 'zod';
import { listPolicyPlaces, listRemembered } from '../../activities/store/policies/policy-scopes.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import {
  PolicyPlaceBody,
  PolicyPlaceListView,
  RememberedListView,
} from '../../workflows/contracts/policy.ts';
import type { Routes } from '../parts.ts';
import { applyPolicy, forgetAnswer } from '../verbs/apply-policy.ts';
import { pageExample } from './examples.ts';
import { newestFirst, pageOf } from './paging.ts';
import { problems } from './problems.ts';

const remembered = {
  id: '0193d5a3-11aa-7c3e-8b11-0c5f0b2d7e01',
  scope: 'project',
  key: '/home/me/shop',
  tool: 'shell',
  inputHash: '0d5e3cf1d2b7ab8a8fd8c7c1b9d0a3c4e5f60718293a4b5c6d7e8f9001122334',
  allows: 'the tool shell with exactly these arguments and no others: {"command":"npm ci"}',
  expiresAt: '2026-03-05T10:15:00.000Z',
  by: 'first (cli)',
};

export const policyPlaceRoutes: Routes = (api, parts) => {
  placeRoutes(api, parts);
  rememberedRoutes(api, parts);
};

const placeRoutes: Routes = (api, parts) => {
  const { db } = parts;
  api.put(
    '/policies/place',
    {
      config: {
        example: {
          body: { project: '/home/me/shop', policy: 'shop' },
          answer: { project: '/home/me/shop', policy: 'shop' },
        },
      },
      schema: {
        tags: ['policies'],
        operationId: 'applyPolicy',
        summary: 'What runs of a project, or all runs, are held against besides their own policy',
        description: '`policy: null` takes it away again.',
        body: PolicyPlaceBody,
        response: { 200: PolicyPlaceBody, ...problems },
      },
    },
    (request, reply) => parts.mutate(request, reply, applyPolicy, request.body),
  );

  api.get(
    '/policies/places',
    {
      config: {
        example: { answer: { items: [{ project: '/home/me/shop', policy: 'shop' }], nextCursor: null } },
      },
      schema: {
        tags: ['policies'],
        operationId: 'listPolicyPlaces',
        summary: 'Where policies apply besides a run’s own',
        description: 'Everywhere first, then by project; at most 1,000.',
        response: { 200: PolicyPlaceListView, ...problems },
      },
    },
    async ({ caller: { tenantId } }) => {
      const places = await listPolicyPlaces(db, tenantId);
      const items = places.map(({ scope, key, policy }) => ({
        project: scope === 'global' ? null : key,
        policy,
      }));
      return { items, nextCursor: null };
    },
  );
};

const rememberedRoutes: Routes = (api, parts) => {
  const { db } = parts;
  api.get(
    '/remembered-answers',
    {
      config: { example: { answer: pageExample(remembered) } },
      schema: {
        tags: ['policies'],
        operationId: 'listRememberedAnswers',
        summary: 'What people allowed and wanted to be remembered, as far as it still counts, newest first',
        description: 'Each allows exactly the same arguments again until it expires.',
        querystring: page,
        response: { 200: RememberedListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(
        query,
        newestFirst,
        (asked) => listRemembered(db, { tenantId, ...asked }),
        ({ createdBy, expiresAt, ...answer }) => ({
          ...answer,
          expiresAt: expiresAt.toISOString(),
          by: createdBy,
        }),
      ),
  );

  api.delete(
    '/remembered-answers/:answerId',
    {
      schema: {
        tags: ['policies'],
        operationId: 'forgetRememberedAnswer',
        summary: 'Ask about it again from now on',
        description: 'Calls that it has allowed already stay as they are.',
        params: z.object({ answerId: id }),
        response: { 204: z.null(), ...problems },
      },
    },
    (request, reply) => parts.mutate(request, reply, forgetAnswer, { answerId: request.params.answerId }),
  );
};
