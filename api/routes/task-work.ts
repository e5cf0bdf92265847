// What agents that are not ours do with a task. What comes for a claim that counts no more is noted, and refused here.
import { z } from 'zod';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import {
  ClaimTaskBody,
  CompleteTaskBody,
  FailTaskBody,
  ProgressTaskBody,
  TaskWithClaimsView,
} from '../../workflows/contracts/task.ts';
import type { Routes } from '../parts.ts';
import { type Answered, claimTask, completeTask, failTask, progressTask } from '../verbs/work-on-task.ts';
import { taskExample } from './examples.ts';
import { problems, refusals } from './problems.ts';

const params = z.object({ id });
const answers = { 200: TaskWithClaimsView, ...problems, ...refusals('ClaimLost', 'TaskNotOpen') };

/** Kept and told again as what it is: a refusal. */
async function refuseLate<Answer extends { body: string }>(answer: Answer): Promise<Answer> {
  const { refused } = JSON.parse(answer.body) as Answered;
  if (refused !== undefined) throw new Failure('ClaimLost', refused);
  return answer;
}

const asItIs = (body: Answered): unknown => body;

export const taskWorkRoutes: Routes = (api, parts) => {
  claimRoutes(api, parts);
  endRoutes(api, parts);
};

const claimRoutes: Routes = (api, parts) => {
  api.post(
    '/tasks/:id/claim',
    {
      config: { example: { body: { executorId: taskExample.executorId }, answer: taskExample } },
      schema: {
        tags: ['tasks'],
        operationId: 'claimTask',
        summary: 'Take this task, as a registered agent',
        description:
          'One of many that claim it gets it; `claim` of the answer goes with all that is said of it. It is held as long as the agent sends heartbeats.',
        params,
        body: ClaimTaskBody,
        response: {
          200: TaskWithClaimsView,
          ...problems,
          ...refusals('TaskNotOpen', 'NoEligibleExecutor', 'ExecutorGone'),
        },
      },
    },
    (request, reply) =>
      parts.mutateTasks(request, reply, claimTask, { ...request.body, taskId: request.params.id }),
  );

  api.post(
    '/tasks/:id/progress',
    {
      config: {
        example: { body: { claim: 1, progress: 40, note: 'Half of it compiles.' }, answer: taskExample },
      },
      schema: {
        tags: ['tasks'],
        operationId: 'progressTask',
        summary: 'Say how far it is',
        description: 'Refused when the claim is no longer the latest one.',
        params,
        body: ProgressTaskBody,
        response: answers,
      },
    },
    (request, reply) =>
      parts.mutateTasks(
        request,
        reply,
        progressTask,
        { ...request.body, taskId: request.params.id },
        asItIs,
        refuseLate,
      ),
  );
};

const endRoutes: Routes = (api, parts) => {
  api.post(
    '/tasks/:id/complete',
    {
      config: {
        example: {
          body: { claim: 1, note: 'It is in branch rounding.' },
          answer: { ...taskExample, status: 'completed', progress: 100 },
        },
      },
      schema: {
        tags: ['tasks'],
        operationId: 'completeTask',
        summary: 'Say that it is done',
        description:
          'What depends on it has its turn. A task that is at work as a run of ours is completed by that alone.',
        params,
        body: CompleteTaskBody,
        response: answers,
      },
    },
    (request, reply) =>
      parts.mutateTasks(
        request,
        reply,
        completeTask,
        { ...request.body, taskId: request.params.id },
        asItIs,
        refuseLate,
      ),
  );

  api.post(
    '/tasks/:id/fail',
    {
      config: {
        example: {
          body: { claim: 1, reason: 'The tests do not pass.' },
          answer: {
            ...taskExample,
            status: 'pending',
            attempts: 1,
            reason: 'Attempt 1 failed: The tests do not pass.',
          },
        },
      },
      schema: {
        tags: ['tasks'],
        operationId: 'failTask',
        summary: 'Say that this attempt failed',
        description:
          'It waits 5 seconds and is handed out again, then 10, 20 and so on; after its last attempt it has failed and is a dead letter.',
        params,
        body: FailTaskBody,
        response: answers,
      },
    },
    (request, reply) =>
      parts.mutateTasks(
        request,
        reply,
        failTask,
        { ...request.body, taskId: request.params.id },
        asItIs,
        refuseLate,
      ),
  );
};
