// Every activity bound once, with its queue, timeouts and retries; each number has its reason on the line above.
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { Activities, PlannedCall } from './contracts/activities.ts';
import { taskQueues } from './contracts/messages.ts';

// Small transactions on the workflow's own queue, so that they start eagerly. No heartbeat: they are over before
// one would be due, and a worker that dies inside one costs no more than this timeout.
// What looks for pending input has kept the name it has in histories from when people could only stop a run.
export const {
  beginRun,
  pendingStop: pendingInput,
  finishRun,
} = proxyActivities<Pick<Activities, 'beginRun' | 'finishRun'> & { pendingStop: Activities['pendingInput'] }>(
  {
    taskQueue: taskQueues.wf,
    // A frozen Postgres is waited for by retrying, not by holding on to one attempt.
    startToCloseTimeout: '5 seconds',
    // For ever: the rows these write are what the run is; an outage of Postgres ends, and then they succeed.
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '5 seconds' },
  },
);

// A ten-second pause of the Temporal server must restart nothing; a worker's death is told by its supervisor,
// and by this only where nobody saw it.
const heartbeatTimeout = '30 seconds';

// What the activity stored must be known before the run goes on: a cancelled attempt is waited for.
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

// On a queue of their own: no run may wait for its start or its end behind another run's hour-long command.
const tree = {
  taskQueue: taskQueues.trees,
  heartbeatTimeout,
  cancellationType,
  // Five attempts: a disk that fails this often is a person's business; the run goes on without the tree.
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumAttempts: 5 },
} as const;

export const { snapshotProject: snapshotAtStart } = proxyActivities<Pick<Activities, 'snapshotProject'>>({
  ...tree,
  // Hashing every file of a very large repository for the first time.
  startToCloseTimeout: '10 minutes',
});

export const { snapshotProject: snapshotAtEnd } = proxyActivities<Pick<Activities, 'snapshotProject'>>({
  ...tree,
  // What changed since the start takes seconds; a person who stopped the run waits for its end.
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '2 minutes',
});

/** The model call of one step. */
export const { callModel } = proxyActivities<Pick<Activities, 'callModel'>>({
  taskQueue: taskQueues.llm,
  // The longest answers with thinking take about twenty minutes.
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout,
  cancellationType,
  // Provider trouble passes; how long it may last is the activity's decision, since only it can tell a
  // provider's failure from a worker's death. A provider's own Retry-After replaces the interval.
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** One tool call; its own timeout, and a label with tool and subject for Temporal's UI. */
export function runToolFor(call: PlannedCall): Activities['runTool'] {
  const { runTool } = proxyActivities<Pick<Activities, 'runTool'>>({
    taskQueue: taskQueues.tools,
    // The activity enforces the tool's own limit; the minute on top is for killing, storing and saying so.
    startToCloseTimeout: (call.timeoutSeconds + 60) * 1000,
    heartbeatTimeout,
    cancellationType,
    summary: call.summary,
    // For ever: after three deaths of its worker the activity itself records that the call is given up.
    retry: { initialInterval: '200 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' },
  });
  return runTool;
}
