// The API's way to Temporal, for every kind of execution: starts the workflow of an accepted row, wakes it,
// replaces a stuck one. All of it repairs itself: what Temporal did not hear now, the sweeper says again.
import {
  type Client,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { Logger } from 'pino';
import { pass } from '../../activities/store/log/trace.ts';
import { taskQueues, wake, workflowId } from '../../workflows/contracts/messages.ts';
import type { ExecutionRow, Kind } from './kind.ts';

/** What Temporal knows of a workflow. */
export interface SeenWorkflow {
  isRunning: boolean;
  /** Which execution of its row it is for. */
  generation: number;
  /** The first execution of its chain: continuing as new does not change it. */
  chain: string;
  /** How often its workflow task under way was tried; 0 when there is none. */
  tries: number;
}

/** What Temporal is told of rows that were written. */
export interface Notices<Row extends ExecutionRow> {
  /**
   * After the commit that accepted the row or took it away from its execution: starts its workflow, in place of the
   * one before. Never throws; the sweeper repairs.
   */
  started(row: Row): void;
  /** After the commit of something for it to read. Never throws; the sweeper wakes again. */
  wake(id: string): void;
}

/** What the server's own loops need beside it. */
export interface Executions<Row extends ExecutionRow = ExecutionRow> extends Notices<Row> {
  /** Whether Temporal has told this process that it has the workflow of the row's present execution. */
  isStarted(row: Row): boolean;
  /** Asks Temporal to cancel one execution of a workflow, unless it has closed. Throws when Temporal does not answer. */
  cancel(execution: { workflowId: string; runId: string }): Promise<void>;
  /** Undefined when Temporal knows no such workflow. */
  describe(id: string): Promise<SeenWorkflow | undefined>;
  /** Resolves when no start or wake is under way. */
  settled(): Promise<void>;
}

// Without a deadline a start hangs for 20 to 40 s when Temporal is dead; the request was accepted either way.
const deadlineMs = 1000;

// Far more than wait at once; to start a forgotten one once more does no harm.
const mostRemembered = 50_000;

// A worker killed inside a workflow task costs this instead of the default ten seconds.
const workflowTaskTimeout = '4 seconds';

export function createExecutions<Row extends ExecutionRow>(
  kind: Kind<Row>,
  client: Client,
  logger: Logger,
): Executions<Row> {
  const underWay = new Set<Promise<void>>();
  const started = new Set<string>();
  const keyOf = (row: Row): string => `${row.id}/${row.generation}`;

  async function start(row: Row): Promise<void> {
    try {
      await (row.generation === 0 ? startWorkflow(client, kind, row) : replaceWorkflow(client, kind, row));
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    pass('started', workflowId(kind.name, row.id));
    if (started.size >= mostRemembered) started.clear();
    started.add(keyOf(row));
  }

  /** Does not wait for the result: a failure is logged, and the sweeper repeats it. */
  function send(what: string, id: string, act: () => Promise<unknown>): void {
    const sending = client.connection
      .withDeadline(Date.now() + deadlineMs, act)
      .then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof WorkflowNotFoundError) return;
          logger.warn(
            { err: error, ...logged(kind, id) },
            `${what} did not reach Temporal; the sweeper repeats it`,
          );
        },
      )
      .finally(() => underWay.delete(sending));
    underWay.add(sending);
  }

  return {
    started(row) {
      pass('accepted', workflowId(kind.name, row.id));
      send('a start', row.id, () => start(row));
    },
    isStarted: (row) => started.has(keyOf(row)),
    wake: (id) => send('a wake', id, () => client.workflow.getHandle(workflowId(kind.name, id)).signal(wake)),
    async cancel({ workflowId: of, runId }) {
      const handle = client.workflow.getHandle(of, runId);
      await client.connection
        .withDeadline(Date.now() + deadlineMs, () => handle.cancel())
        .catch((error: unknown) => {
          if (!(error instanceof WorkflowNotFoundError)) throw error;
        });
    },
    describe: (id) =>
      client.connection.withDeadline(Date.now() + deadlineMs, () =>
        describe(client, workflowId(kind.name, id)),
      ),
    async settled() {
      await Promise.all(underWay);
    },
  };
}

/** How logs name a row: `runId` is a run's. */
export function logged({ name }: Pick<Kind, 'name'>, id: string): Record<string, string> {
  return { [`${name}Id`]: id };
}

/** True when Temporal itself is the trouble, not this one request: it is away or too slow to answer. */
export function isTemporalOutage(error: unknown): boolean {
  const cause = error instanceof Error && !isGrpcServiceError(error) ? error.cause : error;
  // DEADLINE_EXCEEDED and UNAVAILABLE.
  return isGrpcServiceError(cause) && [4, 14].includes(cause.code);
}

async function describe(client: Client, workflow: string): Promise<SeenWorkflow | undefined> {
  try {
    const { status, memo, raw, runId: executionId } = await client.workflow.getHandle(workflow).describe();
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
 * Starts the execution of a row that was handed over and ends the one before, never one of its own generation:
 * a second caller, such as the sweeper, finds nothing left to do.
 */
async function replaceWorkflow<Row extends ExecutionRow>(
  client: Client,
  kind: Kind<Row>,
  row: Row,
): Promise<void> {
  const id = workflowId(kind.name, row.id);
  const before = await describe(client, id);
  if (before && before.generation >= row.generation) return;
  if (before?.isRunning) {
    await client.workflow
      .getHandle(id, undefined, { firstExecutionRunId: before.chain })
      .terminate(`A person asked to try this ${kind.name} again.`)
      .catch((error: unknown) => {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      });
  }
  await startWorkflow(client, kind, row);
}

async function startWorkflow<Row extends ExecutionRow>(
  client: Client,
  kind: Kind<Row>,
  row: Row,
): Promise<void> {
  const { input, priority, searchAttributes, summary, details } = kind.startOf(row);
  await client.workflow.start(kind.workflowType, {
    workflowId: workflowId(kind.name, row.id),
    taskQueue: taskQueues.wf,
    args: [input],
    memo: { generation: row.generation },
    workflowTaskTimeout,
    // A row has one workflow chain in its life, unless a person gave it another.
    workflowIdReusePolicy:
      row.generation === 0 ? WorkflowIdReusePolicy.REJECT_DUPLICATE : WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    priority,
    typedSearchAttributes: searchAttributes,
    staticSummary: summary,
    staticDetails: details,
  });
}
