// Tasks: units of work that are handed out.
import { z } from 'zod';
import { toTaskView, toTaskWithClaims } from '../../activities/store/tasks/task-row.ts';
import { countTasks, findTask, listClaims, listTasks } from '../../activities/store/tasks/tasks.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import {
  TaskBody,
  TaskCountsView,
  TaskListQuery,
  TaskListView,
  TaskView,
  TaskWithClaimsView,
  UpdateTaskBody,
} from '../../workflows/contracts/task.ts';
import type { Routes } from '../parts.ts';
import { takeIfMatch } from '../plugins/if-match.ts';
import { cancelTask, createTask, updateTask } from '../verbs/change-task.ts';
import { pageExample, taskExample } from './examples.ts';
import { newestFirst, pageOf } from './paging.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id });
const NoBody = z.strictObject({}).nullish();

const { claims: _claims, ...example } = taskExample;
const body = {
  title: example.title,
  prompt: example.prompt,
  priority: 'high',
  labels: example.labels,
  run: example.run,
};

export const taskRoutes: Routes = (api, parts) => {
  lookRoutes(api, parts);
  changeRoutes(api, parts);
};

const lookRoutes: Routes = (api, { db }) => {
  api.get(
    '/tasks',
    {
      config: { example: { answer: pageExample(example) } },
      schema: {
        tags: ['tasks'],
        operationId: 'listTasks',
        summary: 'Tasks, newest first',
        description: 'Those that have ended are among them, unless `status` says which.',
        querystring: TaskListQuery,
        response: { 200: TaskListView, ...problems },
      },
    },
    async ({ query, caller: { tenantId } }) =>
      pageOf(query, newestFirst, (asked) => listTasks(db, { tenantId, ...asked }), toTaskView),
  );

  api.get(
    '/tasks/counts',
    {
      config: { example: { answer: { pending: 4, blocked: 2, inProgress: 1 } } },
      schema: {
        tags: ['tasks'],
        operationId: 'countTasks',
        summary: 'How many tasks have not ended',
        description: 'Those that wait, those that wait for others, and those that are being done.',
        response: { 200: TaskCountsView, ...problems },
      },
    },
    ({ caller: { tenantId } }) => countTasks(db, tenantId),
  );

  api.get(
    '/tasks/:id',
    {
      config: { example: { answer: taskExample } },
      schema: {
        tags: ['tasks'],
        operationId: 'getTask',
        summary: 'One task, with everybody who had it and the runs it took',
        description: 'Its version is also in the header ETag.',
        params,
        response: { 200: TaskWithClaimsView, ...problems },
      },
    },
    async ({ params: { id: taskId }, caller: { tenantId } }, reply) => {
      const task = found(await findTask(db, tenantId, taskId), `task ${taskId}`);
      reply.header('etag', `"${task.version}"`);
      return toTaskWithClaims(task, await listClaims(db, task.id));
    },
  );
};

const changeRoutes: Routes = (api, parts) => {
  api.post(
    '/tasks',
    {
      config: { example: { body, answer: example } },
      schema: {
        tags: ['tasks'],
        operationId: 'createTask',
        summary: 'Have something done when an executor is free',
        description:
          'A worker of ours with room gets it as a run; an outside agent may claim it first. Refused where its run would be: for a project, a model or a policy there is not.',
        body: TaskBody,
        response: {
          201: TaskView,
          ...problems,
          ...refusals('RunActive', 'UnknownModel', 'UnknownPolicy', 'NothingToGoOnFrom'),
        },
      },
    },
    (request, reply) => parts.mutateTasks(request, reply, createTask, request.body),
  );

  api.patch(
    '/tasks/:id',
    {
      preValidation: takeIfMatch,
      config: { example: { body: { version: 2, priority: 'high' }, answer: { ...example, version: 3 } } },
      schema: {
        tags: ['tasks'],
        operationId: 'updateTask',
        summary: 'Change a task that waits',
        description:
          'What the body leaves out stays as it is. `version`, or the header If-Match, is the version that you have seen: 409 when there is a newer one. Tasks that would depend on each other are refused.',
        params,
        body: UpdateTaskBody,
        response: { 200: TaskView, ...problems, ...refusals('VersionStale', 'TaskNotOpen') },
      },
    },
    (request, reply) =>
      parts.mutateTasks(request, reply, updateTask, { ...request.body, taskId: request.params.id }),
  );

  api.post(
    '/tasks/:id/cancel',
    {
      config: {
        example: {
          body: {},
          answer: { ...example, status: 'cancelled', reason: 'Cancelled by first (cli).' },
        },
      },
      schema: {
        tags: ['tasks'],
        operationId: 'cancelTask',
        summary: 'Cancel a task and its run; what depends on it is skipped',
        description: 'An agent that has it is told so with what it says next.',
        params,
        body: NoBody,
        response: { 200: TaskView, ...problems, ...refusals('TaskNotOpen') },
      },
    },
    (request, reply) => parts.mutateTasks(request, reply, cancelTask, { taskId: request.params.id }),
  );
};
