// Every activity as workflows call it: by its input, with what contracts/activity-table.ts says of it.
import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { Activities } from './contracts/activities.ts';
import {
  type ActivityInput,
  type ActivityName,
  activityTable,
  type OnExecutor,
  rowOf,
} from './contracts/activity-table.ts';
import { executorQueues, queueOn } from './contracts/messages.ts';

type Proxies = {
  /** `summary`: what Temporal's UI shows of it. `executor`: on whose machine it is carried out. */
  [Name in ActivityName]: (
    input: ActivityInput<Name>,
    summary?: string,
    executor?: Name extends OnExecutor ? string | undefined : never,
  ) => ReturnType<Activities[Name]>;
};

export const activities = Object.fromEntries(
  (Object.keys(activityTable) as ActivityName[]).map((name) => [name, proxyOf(name)]),
) as Proxies;

function proxyOf<Name extends ActivityName>(name: Name) {
  return (input: ActivityInput<Name>, summary?: string, executor?: string): Promise<unknown> => {
    const proxies = proxyActivities(optionsOf(name, input, summary, executor));
    return proxies[name]?.(input) as Promise<unknown>;
  };
}

function optionsOf<Name extends ActivityName>(
  name: Name,
  input: ActivityInput<Name>,
  summary: string | undefined,
  executor: string | undefined,
): ActivityOptions {
  const { queue, startToClose, scheduleToClose, executorToBegin, heartbeat, cancellation, retry } =
    rowOf(name);
  const all = typeof scheduleToClose === 'function' ? scheduleToClose(input) : scheduleToClose;
  return {
    taskQueue: executor !== undefined && isOnExecutor(queue) ? queueOn(queue, executor) : queue,
    startToCloseTimeout: typeof startToClose === 'function' ? startToClose(input) : startToClose,
    ...(all && { scheduleToCloseTimeout: all }),
    ...(executor !== undefined && executorToBegin && { scheduleToStartTimeout: executorToBegin }),
    ...(heartbeat && { heartbeatTimeout: heartbeat }),
    cancellationType:
      cancellation === 'wait'
        ? ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        : ActivityCancellationType.TRY_CANCEL,
    retry,
    ...(summary !== undefined && { summary }),
  };
}

function isOnExecutor(queue: string): queue is (typeof executorQueues)[number] {
  return executorQueues.some((each) => each === queue);
}
