// The workers of one process, and how long Temporal waits for them.
import {
  DefaultLogger,
  type LogLevel,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Activities } from '../../workflows/contracts/activities.ts';
import { activitiesOn, type TaskQueue } from '../../workflows/contracts/activity-table.ts';
import { executorQueues, queueOn, taskQueues } from '../../workflows/contracts/messages.ts';
import { mostWebhooks } from '../../workflows/contracts/webhook.ts';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { connectionOptions } from '../temporal-connection.ts';
import type { TemporalAddress } from './temporal-client.ts';

/** Once in a process, before its first connection: the SDK's log becomes ours, and our signals stay ours. */
export function installRuntime(logger: Logger): void {
  const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;
  Runtime.install({
    logger: new DefaultLogger('WARN' satisfies LogLevel, ({ level, message, meta }) => {
      // Each worker polls what it has: those of the activity queues have no workflows, on purpose.
      if (message.startsWith('No workflows registered')) return;
      logger[levels[level]](meta ?? {}, message);
    }),
    // The process drains by itself; the SDK's own handlers would shut its workers down beside it.
    shutdownSignals: [],
  });
}

export interface WorkerSlots {
  workflowSlots: number;
  llmSlots: number;
  toolSlots: number;
  drainSeconds: number;
}

export type WorkersInput = TemporalAddress & {
  slots: WorkerSlots;
  identity: string;
  /** Left out: it takes no workflows. */
  bundle: WorkflowBundleWithSourceMap | undefined;
  /** The executor whose machine this is: it takes only what needs that. Null: what needs the server's, and all else. */
  machine?: string | null;
  activities: Activities;
  interceptors: WorkerOptions['interceptors'];
  /** 0 makes every workflow task a replay: only tests want that. */
  cachedWorkflows?: number;
  /** After their cancellation; five unless said otherwise. */
  leftBehindSeconds?: number;
};

export interface Workers {
  /** Begins to poll; resolves when all have shut down, rejects when one breaks. */
  run(): Promise<void>;
  /** Takes no new work, waits for what is under way up to the drain time, then cancels it. */
  shutdown(): void;
  /** Instead of running: lets go of what was made. */
  discard(): Promise<void>;
}

// A run at rest takes about a third of a MiB; more would outgrow the heap of the workflow thread.
const cachedWorkflows = 500;

/** Each queue that is polled, with its kind. */
export function polledQueues(machine: string | null): { queue: string; kind: TaskQueue }[] {
  if (machine === null) return Object.values(taskQueues).map((kind) => ({ queue: kind, kind }));
  return executorQueues.map((kind) => ({ queue: queueOn(kind, machine), kind }));
}

function workflowOptions(input: WorkersInput, bundle: WorkflowBundleWithSourceMap): Partial<WorkerOptions> {
  return {
    workflowBundle: bundle,
    maxConcurrentWorkflowTaskExecutions: input.slots.workflowSlots,
    maxCachedWorkflows: input.cachedWorkflows ?? cachedWorkflows,
    // How long a task waits for its worker, maybe dead, before another takes it.
    stickyQueueScheduleToStartTimeout: '2 seconds',
  };
}

/** Makes everything and polls nothing yet: a standby comes this far. */
export async function createWorkers(input: WorkersInput): Promise<Workers> {
  const connection = await NativeConnection.connect({
    ...connectionOptions(input),
    // On a loopback or local network compressing costs more than it saves.
    grpcCompression: { codec: 'none' },
  });
  const common = {
    connection,
    namespace: input.temporalNamespace,
    identity: input.identity,
    shutdownGraceTime: input.slots.drainSeconds * 1000,
    // Activities that ignore their cancellation are left behind after this; the supervisor kills what they ran.
    shutdownForceTime: (input.slots.drainSeconds + (input.leftBehindSeconds ?? 5)) * 1000,
    // Only a heartbeat that is really sent brings back a cancellation by Temporal.
    maxHeartbeatThrottleInterval: '3 seconds',
    defaultHeartbeatThrottleInterval: '3 seconds',
    ...(input.interceptors ? { interceptors: input.interceptors } : {}),
  } satisfies Partial<WorkerOptions>;
  const atOnce: Record<TaskQueue, number> = {
    // Bookkeeping is short; this many at once keep the database connections busy and no more.
    wf: 16,
    llm: input.slots.llmSlots,
    tools: input.slots.toolSlots,
    // They read whole projects: two keep a disk busy.
    trees: 2,
    // A place for each endpoint that there can be: a slow one holds up no other.
    hooks: mostWebhooks,
  };
  const workers = await Promise.all(
    polledQueues(input.machine ?? null).map(({ queue: taskQueue, kind }) =>
      Worker.create({
        ...common,
        taskQueue,
        activities: Object.fromEntries(activitiesOn(kind).map((name) => [name, input.activities[name]])),
        maxConcurrentActivityTaskExecutions: atOnce[kind],
        ...(kind === taskQueues.wf && input.bundle ? workflowOptions(input, input.bundle) : {}),
      }),
    ),
  );
  return {
    async run() {
      try {
        await Promise.all(workers.map((worker) => worker.run()));
      } finally {
        await connection.close();
      }
    },
    shutdown() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    },
    async discard() {
      // The SDK lets go of a worker only by running it to its end.
      const ended = Promise.all(workers.map((worker) => worker.run()));
      for (const worker of workers) worker.shutdown();
      await ended;
      await connection.close();
    },
  };
}
