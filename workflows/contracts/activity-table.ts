// Every activity with its queue, its timeouts, its retries and the reason for each number. What workflows ask for
// (proxies.ts) and what workers take are made from it: an activity without a row does not compile. No zod here.
import type { RetryPolicy } from '@temporalio/common';
import type { Activities } from './activities.ts';
import { type executorQueues, taskQueues } from './messages.ts';

export type ActivityName = keyof Activities;
export type ActivityInput<Name extends ActivityName> = Parameters<Activities[Name]>[0];
export type TaskQueue = (typeof taskQueues)[keyof typeof taskQueues];

type Duration = `${number} ${'milliseconds' | 'second' | 'seconds' | 'minute' | 'minutes'}`;
/** The same for all, or as the input says. */
type Of<Input, Value> = Value | ((input: Input) => Value);

export interface ActivityRow<Input> {
  queue: TaskQueue;
  /** What one attempt may take. */
  startToClose: Of<Input, Duration>;
  /** What all attempts may take together; undefined: as long as it needs. */
  scheduleToClose?: Of<Input, Duration | undefined>;
  /** How long an executor with a machine of its own may take to begin; absent: the run's patience counts. */
  executorToBegin?: Duration;
  /** A silence of this length is a worker's death; without one `startToClose` tells of it. */
  heartbeat?: Duration;
  /** What a cancel does: wait until the attempt has said how it ended, or let go of it. */
  cancellation: 'wait' | 'try';
  retry: RetryPolicy;
  /** Why its numbers are what they are. */
  reason: string;
}

// Small transactions on the workflow's own queue, so that they start eagerly.
const bookkeeping = {
  queue: taskQueues.wf,
  startToClose: '5 seconds',
  cancellation: 'try',
  // The run consists of the rows these write; they succeed once an outage of Postgres is over.
  retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' },
} as const;
const bookkeepingReason =
  'A frozen Postgres is waited for by retrying for ever, not by holding on to one attempt. It is over before a heartbeat ' +
  'would be due, and a worker that dies inside it costs no more than its timeout.';

const long = {
  // A ten-second pause of the Temporal server must restart nothing. A worker's supervisor reports its death; this
  // timeout is for a death that the supervisor did not see.
  heartbeat: '30 seconds',
  // What the activity stored must be known before the run goes on.
  cancellation: 'wait',
} as const;

export const activityTable = {
  beginRun: { ...bookkeeping, reason: bookkeepingReason },
  pendingInput: { ...bookkeeping, reason: bookkeepingReason },
  finishRun: { ...bookkeeping, reason: bookkeepingReason },
  attendSchedule: {
    ...bookkeeping,
    startToClose: '1 minute',
    reason: 'As the bookkeeping above; but after a long outage it writes tens of thousands of due times.',
  },
  attendTasks: {
    ...bookkeeping,
    startToClose: '1 minute',
    reason:
      'As the bookkeeping above; but it hands out for up to twenty seconds before it lets others have their turn.',
  },
  attendWebhook: {
    ...bookkeeping,
    queue: taskQueues.hooks,
    startToClose: '40 seconds',
    reason:
      'A queue of its own: endpoints of others answer as slowly as they like. It sends for up to ten seconds, and what it ' +
      'has sent by then is waited for, fifteen more; a worker that dies inside it costs no more than the rest.',
  },
  snapshotProject: {
    ...long,
    queue: taskQueues.trees,
    startToClose: ({ when }) => (when === 'start' ? '10 minutes' : '1 minute'),
    scheduleToClose: ({ when }) => (when === 'start' ? undefined : '2 minutes'),
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumAttempts: 5 },
    reason:
      'A queue of its own: no run waits for its start or its end behind the hour-long command of another. At the start ' +
      'every file of a very large repository is hashed for the first time; at the end what changed takes seconds, and a ' +
      'person who stopped the run waits for it. A disk that fails five times is for a person; the run goes on ' +
      'without the tree.',
  },
  rewindProject: {
    ...long,
    queue: taskQueues.trees,
    startToClose: '10 minutes',
    retry: {
      initialInterval: '1 second',
      backoffCoefficient: 2,
      maximumInterval: '10 seconds',
      maximumAttempts: 20,
    },
    executorToBegin: '15 minutes',
    reason:
      'As long as the first recording of a very large repository may take. What cannot be done is its result; what fails ' +
      'is a server or a worker, which is back in a few minutes, and to begin again ends the same. An executor that is away for longer, as by a restart of its ' +
      'machine, must not hold the project for ever.',
  },
  callModel: {
    ...long,
    queue: taskQueues.llm,
    startToClose: '30 minutes',
    retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
    reason:
      'The longest answers with thinking take about twenty minutes. Provider trouble passes; how long it may last is for ' +
      "the activity to decide, which alone can tell a provider's failure from a worker's death. A provider's own " +
      'Retry-After replaces the interval.',
  },
  runTool: {
    ...long,
    queue: taskQueues.tools,
    startToClose: ({ timeoutSeconds }) => `${timeoutSeconds + 60} seconds`,
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
    reason:
      "The activity enforces the tool's own limit; the minute on top is for killing, storing and saying so. It is tried " +
      'for ever: after three deaths of its worker the activity itself records that the call is given up.',
  },
} satisfies { [Name in ActivityName]: ActivityRow<ActivityInput<Name>> };

/** What touches the project of a run: it goes to the machine of the executor that the run needs. */
export type OnExecutor = {
  [Name in ActivityName]: (typeof activityTable)[Name]['queue'] extends (typeof executorQueues)[number]
    ? Name
    : never;
}[ActivityName];

/** The row of an activity, typed by its input. */
export function rowOf<Name extends ActivityName>(name: Name): ActivityRow<ActivityInput<Name>> {
  return activityTable[name] as ActivityRow<ActivityInput<Name>>;
}

/** What a worker of a queue takes, out of all there is. */
export function activitiesOn(queue: TaskQueue): ActivityName[] {
  return (Object.keys(activityTable) as ActivityName[]).filter((name) => activityTable[name].queue === queue);
}
