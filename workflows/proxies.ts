// Every activity as workflows call it: by its input, with what contracts/activity-table.ts says of it.
import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { Activities } from './contracts/activities.ts';
import { type ActivityInput, type ActivityName, activityTable, rowOf } from './contracts/activity-table.ts';

type Proxies = {
  /** `summary`: what Temporal's UI shows of it. */
  [Name in ActivityName]: (input: ActivityInput<Name>, summary?: string) => ReturnType<Activities[Name]>;
};

export const activities = Object.fromEntries(
  (Object.keys(activityTable) as ActivityName[]).map((name) => [name, proxyOf(name)]),
) as Proxies;

function proxyOf<Name extends ActivityName>(name: Name) {
  return (input: ActivityInput<Name>, summary?: string): Promise<unknown> => {
    const proxies = proxyActivities(optionsOf(name, input, summary));
    return proxies[name]?.(input) as Promise<unknown>;
  };
}

function optionsOf<Name extends ActivityName>(
  name: Name,
  input: ActivityInput<Name>,
  summary: string | undefined,
): ActivityOptions {
  const { queue, startToClose, scheduleToClose, heartbeat, cancellation, retry } = rowOf(name);
  const all = typeof scheduleToClose === 'function' ? scheduleToClose(input) : scheduleToClose;
  return {
    taskQueue: queue,
    startToCloseTimeout: typeof startToClose === 'function' ? startToClose(input) : startToClose,
    ...(all && { scheduleToCloseTimeout: all }),
    ...(heartbeat && { heartbeatTimeout: heartbeat }),
    cancellationType:
      cancellation === 'wait'
        ? ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        : ActivityCancellationType.TRY_CANCEL,
    retry,
    ...(summary !== undefined && { summary }),
  };
}
