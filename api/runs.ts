// The only face's way to Temporal: starts the workflow of an accepted run, wakes it, replaces a stuck one. All of
// it repairs itself: what Temporal did not hear now, the sweeper says again.
import {
  type Client,
  type WorkflowExecutionDescription,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { Logger } from 'pino';
import type { AgentRunInput } from '../workflows/contracts/activities.ts';
import type { RunStatus } from '../workflows/contracts/run.ts';
import { isTerminal } from '../workflows/run/transitions.ts';
import { searchAttributes, taskQueues, wake, workflowId } from '../workflows/contracts/messages.ts';
import type { EventLog } from '../activities/store/events.ts';
import { lockRun, type RunRow } from '../activities/store/runs.ts';
import { handOver } from '../activities/store/begin-run.ts';

export interface Runs {
  /** After the commit that accepted it: starts the run's workflow. Never throws; the sweeper repairs. */
  started(run: RunRow): void;
  /** After the commit of a row for the run. Never throws; the sweeper wakes again. */
  wake(runId: string): void;
  /** Ends a stuck execution and starts another, which goes on from the rows. */
  retryRun(run: RunRow): Promise<void>;
}

/** What the server's own loops need beside it. */
export interface TemporalRuns extends Runs {
  /** Undefined when Temporal knows no workflow of that run. */
  describe(runId: string): Promise<WorkflowExecutionDescription | undefined>;
  /** Resolves when no start or wake is under way. */
  settled(): Promise<void>;
}

// Without a deadline a start hangs for 20 to 40 s when Temporal is dead; the request was accepted either way.
const deadlineMs = 1000;

// A worker killed inside a workflow task costs this instead of the default ten seconds.
const workflowTaskTimeout = '4 seconds';

export function createRuns(input: { client: Client; log: EventLog; logger: Logger }): TemporalRuns {
  const { client, log, logger } = input;
  const underWay = new Set<Promise<void>>();

  /** Starts it on its way; whatever comes of it is the log's and the sweeper's business. */
  function send(what: string, runId: string, act: () => Promise<unknown>): void {
    const sending = client.connection
      .withDeadline(Date.now() + deadlineMs, act)
      .then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof WorkflowExecutionAlreadyStartedError || error instanceof WorkflowNotFoundError)
            return;
          logger.warn({ err: error, runId }, `${what} did not reach Temporal; the sweeper repeats it`);
        },
      )
      .finally(() => underWay.delete(sending));
    underWay.add(sending);
  }

  return {
    started: (run) => send('a start', run.id, () => startWorkflow(client, run)),
    wake: (runId) =>
      send('a wake', runId, () => client.workflow.getHandle(workflowId('run', runId)).signal(wake)),
    async retryRun(run) {
      const handle = client.workflow.getHandle(workflowId('run', run.id));
      const ready = await log.write(async (write) => {
        // Under its lock: the reconciler would end a run whose workflow is gone and that is not yet another's.
        const locked = await lockRun(write, run.tenant_id, run.id);
        if (!locked || isTerminal(locked.status as RunStatus)) return undefined;
        await client.connection
          .withDeadline(Date.now() + deadlineMs, () =>
            handle.terminate('A person asked to try this run again.'),
          )
          .catch((error: unknown) => {
            if (!(error instanceof WorkflowNotFoundError)) throw error;
          });
        return handOver(write, run.tenant_id, run.id);
      });
      if (ready) send('a start', run.id, () => startWorkflow(client, ready));
    },
    async describe(runId) {
      try {
        return await client.connection.withDeadline(Date.now() + deadlineMs, () =>
          client.workflow.getHandle(workflowId('run', runId)).describe(),
        );
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return undefined;
        throw error;
      }
    },
    async settled() {
      await Promise.all(underWay);
    },
  };
}

async function startWorkflow(client: Client, run: RunRow): Promise<void> {
  const args: AgentRunInput = { tenantId: run.tenant_id, runId: run.id, requestId: run.request_id };
  await client.workflow.start('agentRun', {
    workflowId: workflowId('run', run.id),
    taskQueue: taskQueues.wf,
    args: [args],
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
