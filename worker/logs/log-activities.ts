// Carries the id of the request that started a run into the worker's log, so that one search finds all of its trail.
import { Context } from '@temporalio/activity';
import type { ActivityInterceptors } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { RunRef } from '../../workflows/contracts/activities.ts';

// What a person looks for in a log: when work on a run began and ended. The steps between are in its event log.
const told = ['beginRun', 'finishRun'];

export function logActivities(logger: Logger): ActivityInterceptors {
  return {
    inbound: {
      async execute(input, next) {
        const { activityType, attempt } = Context.current().info;
        const { requestId, runId } = input.args[0] as RunRef;
        const child = logger.child({ requestId, runId, activity: activityType, attempt });
        const level = told.includes(activityType) ? 'info' : 'debug';
        try {
          const result = await next(input);
          child[level]('an activity ended');
          return result;
        } catch (error) {
          child.warn({ err: error }, 'an activity failed');
          throw error;
        }
      },
    },
  };
}
