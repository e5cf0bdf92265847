// Where policies apply besides a run's own, and the answers people had remembered.
import { z } from 'zod';
import { applyPolicy, forgetAnswer, listRemembered } from '../../activities/store/policies/policy-scopes.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import { PolicyPlaceBody, RememberedListView } from '../../workflows/contracts/policy.ts';
import type { Routes } from '../parts.ts';
import { idCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';

export const policyPlaceRoutes: Routes = (api, parts) => {
  const { db } = parts.log;

  api.put(
    '/policies/place',
    {
      schema: {
        tags: ['policies'],
        operationId: 'applyPolicy',
        summary: 'What runs of a project, or all runs, are held against besides their own policy',
        body: PolicyPlaceBody,
        response: { 200: PolicyPlaceBody, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        const { project, policy } = request.body;
        const place =
          project === undefined
            ? ({ scope: 'global', key: '' } as const)
            : ({ scope: 'project', key: await parts.realPath(project) } as const);
        await applyPolicy(write, place, policy, request.caller);
        return { status: 200, body: { ...(project === undefined ? {} : { project: place.key }), policy } };
      }),
  );

  api.get(
    '/policies/remembered',
    {
      schema: {
        tags: ['policies'],
        operationId: 'listRememberedAnswers',
        summary: 'What people allowed and wanted to be remembered, as far as it still counts, newest first',
        querystring: page,
        response: { 200: RememberedListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor } = request.query;
      const { tenantId } = request.caller;
      const rows = await listRemembered(db, { tenantId, limit, before: idCursor(cursor) });
      return toPage(rows, limit, {
        toView: ({ createdBy, expiresAt, ...answer }) => ({
          ...answer,
          expiresAt: expiresAt.toISOString(),
          by: createdBy,
        }),
        toCursor: (row) => row.id,
      });
    },
  );

  api.delete(
    '/policies/remembered/:answerId',
    {
      schema: {
        tags: ['policies'],
        operationId: 'forgetRememberedAnswer',
        summary: 'Ask about it again from now on',
        params: z.object({ answerId: id }),
        response: { 204: z.null(), ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        if (!(await forgetAnswer(write, request.params.answerId, request.caller)))
          throw new Failure('NotFound', `There is no remembered answer ${request.params.answerId}.`);
        return { status: 204 };
      }),
  );
};
