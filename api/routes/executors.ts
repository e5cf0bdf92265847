// Executors: who takes tasks. Our workers register themselves; agents of others do it here, and pull.
import { z } from 'zod';
import { listRegistered, toExecutorView } from '../../activities/store/tasks/registered.ts';
import {
  ExecutorBody,
  ExecutorListQuery,
  ExecutorListView,
  ExecutorView,
  HeartbeatBody,
  HeartbeatView,
  PulledView,
} from '../../workflows/contracts/executor.ts';
import { id } from '../../workflows/contracts/fields.ts';
import type { Routes } from '../parts.ts';
import { beatExecutor, deregisterExecutor, registerExecutor } from '../verbs/change-executors.ts';
import { pullTask } from '../verbs/work-on-task.ts';
import { at, pageExample, taskExample } from './examples.ts';
import { byId, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id });
const NoBody = z.strictObject({}).nullish();

const example = {
  id: taskExample.executorId,
  kind: 'agent',
  name: 'reviewer-7',
  host: '',
  state: 'busy',
  capabilities: ['review'],
  sandboxes: [],
  load: 1,
  places: 4,
  codeVersion: '',
  ttlSeconds: 60,
  startedAt: at,
  heartbeatAt: at,
};

export const executorRoutes: Routes = (api, parts) => {
  const { db } = parts;

  api.get(
    '/executors',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['executors'],
        operationId: 'listExecutors',
        summary: 'Who takes tasks, with state and load',
        description: 'Those that ended or were given up as gone are left out.',
        querystring: ExecutorListQuery,
        response: { 200: ExecutorListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(
        query,
        byId,
        (asked) => listRegistered(db, { tenantId, ...asked }),
        (row) => toExecutorView(row),
      ),
  );

  api.post(
    '/executors',
    {
      config: {
        example: {
          body: { name: 'reviewer-7', capabilities: ['review'], places: 4 },
          answer: { ...example, state: 'available', load: 0 },
        },
      },
      schema: {
        tags: ['executors'],
        operationId: 'registerExecutor',
        summary: 'Register an agent that pulls tasks, or say what it offers now',
        description:
          'A name that is registered keeps its id. Without a sign of life within `ttlSeconds` what it holds waits again.',
        body: ExecutorBody,
        response: { 201: ExecutorView, ...problems },
      },
    },
    (request, reply) => parts.mutateTasks(request, reply, registerExecutor, request.body),
  );

  lifeRoutes(api, parts);
};

const lifeRoutes: Routes = (api, parts) => {
  api.post(
    '/executors/:id/heartbeat',
    {
      config: {
        example: { body: {}, answer: { ...example, holds: [{ taskId: taskExample.id, claim: 1 }] } },
      },
      schema: {
        tags: ['executors'],
        operationId: 'beatExecutor',
        summary: 'Say that the agent lives; the answer says what it holds',
        description:
          'Its tasks are its own as long as it does so within its ttlSeconds. After that it must register again.',
        params,
        body: HeartbeatBody,
        response: { 200: HeartbeatView, ...problems, ...refusals('ExecutorGone') },
      },
    },
    (request, reply) =>
      parts.mutateTasks(request, reply, beatExecutor, {
        executorId: request.params.id,
        draining: request.body?.draining,
      }),
  );

  api.post(
    '/executors/:id/claim',
    {
      config: { example: { body: {}, answer: { task: taskExample } } },
      schema: {
        tags: ['executors'],
        operationId: 'pullTask',
        summary: 'Take what comes first of the tasks that fit the agent',
        description: 'By priority, then age. null: nothing that fits waits, or it has no room; ask again.',
        params,
        body: NoBody,
        response: { 200: PulledView, ...problems, ...refusals('ExecutorGone') },
      },
    },
    (request, reply) => parts.mutateTasks(request, reply, pullTask, { executorId: request.params.id }),
  );

  api.delete(
    '/executors/:id',
    {
      schema: {
        tags: ['executors'],
        operationId: 'deregisterExecutor',
        summary: 'Take an agent away; what it holds waits again',
        description: 'What it says of those tasks from then on is refused.',
        params,
        response: { 204: z.null(), ...problems, ...refusals('ExecutorGone') },
      },
    },
    (request, reply) =>
      parts.mutateTasks(request, reply, deregisterExecutor, { executorId: request.params.id }),
  );
};
