// Workspaces: projects in an order, under a name.
import { z } from 'zod';
import { findWorkspace, listWorkspaces, toWorkspaceView } from '../../activities/store/presets/workspaces.ts';
import { workspaceId } from '../../workflows/contracts/configuration.ts';
import { found } from '../../workflows/contracts/failures.ts';
import {
  ChangeWorkspaceBody,
  CreateWorkspaceBody,
  WorkspaceListQuery,
  WorkspaceListView,
  WorkspaceView,
} from '../../workflows/contracts/workspace.ts';
import type { Routes } from '../parts.ts';
import { takeIfMatch } from '../plugins/if-match.ts';
import { changeWorkspace, createWorkspace, deleteWorkspace } from '../verbs/change-workspace.ts';
import { at, pageExample } from './examples.ts';
import { labelsOf } from './labels.ts';
import { bySlug, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id: workspaceId });
const body = {
  id: 'shop',
  name: 'The shop and its library',
  projects: [{ path: '/home/me/shop' }, { path: '/home/me/cart-library' }],
  metadata: { team: 'shop' },
};
const example = { ...body, version: 1, createdAt: at, updatedAt: at };

const lookRoutes: Routes = (api, { db }) => {
  api.get(
    '/workspaces',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['workspaces'],
        operationId: 'listWorkspaces',
        summary: 'Workspaces by id',
        description: 'A workspace is projects in an order: runs work in the first, and can read the others.',
        querystring: WorkspaceListQuery,
        response: { 200: WorkspaceListView, ...problems },
      },
    },
    async ({ query: { metadata: labels, ...query }, caller: { tenantId } }) => {
      const metadata = labelsOf(labels);
      return pageOf(
        query,
        bySlug,
        (page) => listWorkspaces(db, { tenantId, ...page, ...(metadata && { metadata }) }),
        toWorkspaceView,
      );
    },
  );

  api.get(
    '/workspaces/:id',
    {
      config: { example: { answer: example } },
      schema: {
        tags: ['workspaces'],
        operationId: 'getWorkspace',
        summary: 'One workspace, as it is now',
        description: 'Runs show the version and the directories that they began with.',
        params,
        response: { 200: WorkspaceView, ...problems },
      },
    },
    async ({ caller, params: { id } }, reply) => {
      const view = toWorkspaceView(found(await findWorkspace(db, caller.tenantId, id), `workspace ${id}`));
      reply.header('etag', `"${view.version}"`);
      return view;
    },
  );
};

const changeRoutes: Routes = (api, parts) => {
  api.post(
    '/workspaces',
    {
      config: { example: { body, answer: example } },
      schema: {
        tags: ['workspaces'],
        operationId: 'createWorkspace',
        summary: 'A workspace of directories that are there',
        description:
          'Its id and its name are yours to choose; the order of its projects counts, and none may lie in another.',
        body: CreateWorkspaceBody,
        response: { 201: WorkspaceView, ...problems, ...refusals('WorkspaceExists') },
      },
    },
    (request, reply) => parts.mutate(request, reply, createWorkspace, request.body),
  );

  api.patch(
    '/workspaces/:id',
    {
      preValidation: takeIfMatch,
      config: {
        example: { body: { metadata: { team: null }, version: 1 }, answer: { ...example, version: 2 } },
      },
      schema: {
        tags: ['workspaces'],
        operationId: 'changeWorkspace',
        summary: 'Change a workspace; runs go on with the directories they began with',
        description:
          'What is left out stays as it is. `version`, or the header If-Match, is the version that you have seen: 409 ' +
          'when there is a newer one.',
        params,
        body: ChangeWorkspaceBody,
        response: { 200: WorkspaceView, ...problems, ...refusals('VersionStale') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, changeWorkspace, { ...request.body, workspaceId: request.params.id }),
  );

  api.delete(
    '/workspaces/:id',
    {
      schema: {
        tags: ['workspaces'],
        operationId: 'deleteWorkspace',
        summary: 'Take a workspace away; its directories stay',
        description:
          'Refused while a run that has not ended, a conversation that is not archived or a preset goes by it.',
        params,
        querystring: z.strictObject({ version: z.coerce.number().int().min(1) }),
        response: { 204: z.null(), ...problems, ...refusals('WorkspaceInUse', 'VersionStale') },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, deleteWorkspace, {
        workspaceId: request.params.id,
        version: request.query.version,
      }),
  );
};

export const workspaceRoutes: Routes = (api, parts) => {
  lookRoutes(api, parts);
  changeRoutes(api, parts);
};
