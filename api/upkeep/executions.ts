// The only face's way to Temporal: starts the workflow of an accepted run, wakes it, replaces a stuck one. All of
// it repairs itself: what Temporal did not hear now, the sweeper says again.
import {
  type Client,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { Logger } from 'pino';
import type { AgentRunInput } from '../../workflows/contracts/activities.ts';
import type { EffectiveLimits } from '../../workflows/contracts/run.ts';
import { searchAttributes, taskQueues, wake, workflowId } from '../../workflows/contracts/messages.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';

export interface Runs {
  /**
   * After the commit that accepted the run or took it away from its execution: starts its workflow, in place of
   * the one before. Never throws; the sweeper repairs.
   */
  started(run: RunRow): void;
  /** After the commit of a row for the run. Never throws; the sweeper wakes again. */
  wake(runId: string): void;
}

/** What Temporal knows of the workflow of a run. */
export interface RunWorkflow {
  isRunning: boolean;
  /** Which of the run's executions it is for. */
  generation: number;
  /** The first execution of its chain: continuing as new does not change it. */
  chain: string;
  /** How often its workflow task under way was tried; 0 when there is none. */
  tries: number;
}

/** What the server's own loops need beside it. */
export interface TemporalRuns extends Runs {
  /** Whether Temporal has told this process that it has the workflow of the run's present execution. */
  isStarted(run: RunRow): boolean;
  /** Undefined when Temporal knows no workflow of that run. */
  describe(runId: string): Promise<RunWorkflow | undefined>;
  /** Resolves when no start or wake is under way. */
  settled(): Promise<void>;
}

// Without a deadline a start hangs for 20 to 40 s when Temporal is dead; the request was accepted either way.
const deadlineMs = 1000;

// Far more runs than wait at once; whatever is forgotten is started once more, for nothing.
const mostRemembered = 50_000;

// A worker killed inside a workflow task costs this instead of the default ten seconds.
const workflowTaskTimeout = '4 seconds';

export function createRuns(input: { client: Client; logger: Logger }): TemporalRuns {
  const { client, logger } = input;
  const underWay = new Set<Promise<void>>();
  const started = new Set<string>();
  const keyOf = (run: RunRow): string => `${run.id}/${run.generation}`;

  async function start(run: RunRow): Promise<void> {
    try {
      await (run.generation === 0 ? startWorkflow(client, run) : replaceWorkflow(client, run));
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    if (started.size >= mostRemembered) started.clear();
    started.add(keyOf(run));
  }

  /** Starts it on its way; whatever comes of it is the log's and the sweeper's business. */
  function send(what: string, runId: string, act: () => Promise<unknown>): void {
    const sending = client.connection
      .withDeadline(Date.now() + deadlineMs, act)
      .then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof WorkflowNotFoundError) return;
          logger.warn({ err: error, runId }, `${what} did not reach Temporal; the sweeper repeats it`);
        },
      )
      .finally(() => underWay.delete(sending));
    underWay.add(sending);
  }

  return {
    started: (run) => send('a start', run.id, () => start(run)),
    isStarted: (run) => started.has(keyOf(run)),
    wake: (runId) =>
      send('a wake', runId, () => client.workflow.getHandle(workflowId('run', runId)).signal(wake)),
    describe: (runId) =>
      client.connection.withDeadline(Date.now() + deadlineMs, () => describe(client, runId)),
    async settled() {
      await Promise.all(underWay);
    },
  };
}

/** True when Temporal itself is the trouble, not this one request: it is away or too slow to answer. */
export function isTemporalOutage(error: unknown): boolean {
  const cause = error instanceof Error && !isGrpcServiceError(error) ? error.cause : error;
  // DEADLINE_EXCEEDED and UNAVAILABLE.
  return isGrpcServiceError(cause) && [4, 14].includes(cause.code);
}

async function describe(client: Client, runId: string): Promise<RunWorkflow | undefined> {
  try {
    const {
      status,
      memo,
      raw,
      runId: executionId,
    } = await client.workflow.getHandle(workflowId('run', runId)).describe();
    return {
      isRunning: status.name === 'RUNNING',
      generation: Number(memo?.['generation'] ?? 0),
      chain: raw.workflowExecutionInfo?.firstRunId || executionId,
      tries: raw.pendingWorkflowTask?.attempt ?? 0,
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/**
 * Starts the execution of a run that was handed over and ends the one before, never one of its own generation:
 * whoever comes second, the sweeper for one, finds nothing left to do.
 */
async function replaceWorkflow(client: Client, run: RunRow): Promise<void> {
  const before = await describe(client, run.id);
  if (before && before.generation >= run.generation) return;
  if (before?.isRunning) {
    await client.workflow
      .getHandle(workflowId('run', run.id), undefined, { firstExecutionRunId: before.chain })
      .terminate('A person asked to try this run again.')
      .catch((error: unknown) => {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      });
  }
  await startWorkflow(client, run);
}

async function startWorkflow(client: Client, run: RunRow): Promise<void> {
  const args: AgentRunInput = {
    tenantId: run.tenant_id,
    runId: run.id,
    requestId: run.request_id,
    generation: run.generation,
    // Another execution finds steps and calls that only the rows know.
    ...(run.generation === 0
      ? {
          fresh: {
            project: run.project_path !== null,
            seconds: (run.limits as unknown as EffectiveLimits).seconds,
          },
        }
      : {}),
  };
  await client.workflow.start('agentRun', {
    workflowId: workflowId('run', run.id),
    taskQueue: taskQueues.wf,
    args: [args],
    memo: { generation: run.generation },
    workflowTaskTimeout,
    // A run has one workflow chain in its life, unless a person gave it another.
    workflowIdReusePolicy:
      run.generation === 0 ? WorkflowIdReusePolicy.REJECT_DUPLICATE : WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    // Temporal counts from 1 (first) to 5; ours are critical, high, normal, low.
    priority: { priorityKey: run.priority + 1, fairnessKey: run.tenant_id },
    typedSearchAttributes: [
      { key: searchAttributes.tenant, value: run.tenant_id },
      { key: searchAttributes.conversation, value: run.conversation_id },
    ],
    staticSummary: `${run.model} · ${run.project_path ?? 'no project'}`.slice(0, 200),
  });
}
