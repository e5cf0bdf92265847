// Letting go of what a dead worker held, at once instead of after its timeouts: kill what is left of it, see it
// gone, fail its attempts by their tokens, and send its workflows to whoever lives. Safe to run twice.
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { killGroup, killOrphans } from '../activities/sandbox/process-group.ts';
import { findProcess } from '../activities/sandbox/process-table.ts';
import { groupsOf, markLost, openAttemptsOf, type OpenAttempt } from '../activities/store/attempts.ts';
import { type Db, openDatabase } from '../activities/store/database.ts';
import { endExecutor, type ExecutorRow, liveExecutorsOn } from '../activities/store/executors.ts';
import { listStarted } from '../activities/store/runs.ts';
import { workflowId } from '../workflows/contracts/messages.ts';
import { openClient } from './temporal.ts';
import type { Client } from '@temporalio/client';

export interface ReleaseInput {
  databaseUrl: string;
  temporalAddress: string;
  temporalNamespace: string;
  log: Logger;
}

// Runs whose workflow is sent on; beyond it, those left wait for the sticky timeout of two seconds.
const mostStickyResets = 1000;
const resetsAtOnce = 20;

/** Releases every executor of this host whose process no longer exists. */
export async function releaseExecutors(input: ReleaseInput): Promise<void> {
  const database = openDatabase({ url: input.databaseUrl, connections: 4, name: 'perdure-release' });
  const client = openClient(input);
  try {
    const executors = await liveExecutorsOn(database.db, hostname());
    const dead = executors.filter((executor) => !isAlive(executor));
    for (const executor of dead) await release(database.db, client, input, executor);
    if (dead.length > 0) await resetStickyQueues(database.db, client, input);
  } finally {
    await Promise.all([database.close(), client.connection.close()]);
  }
}

async function release(db: Db, client: Client, input: ReleaseInput, executor: ExecutorRow): Promise<void> {
  const attempts = await openAttemptsOf(db, executor.id);
  const groups = await groupsOf(db, executor.id);
  // First the groups on record, then whatever carries the mark of a worker that is gone: a command started in the
  // very moment of the kill may not be on record yet.
  await Promise.all(groups.map(({ group }) => killGroup(group)));
  await killOrphans();
  await markLost(db, executor.id);
  await Promise.all(attempts.map((attempt) => failByToken(client, input, attempt)));
  await endExecutor(db, executor.id);
  input.log.warn(
    { executor: executor.id, pid: executor.pid, attempts: attempts.length, groups: groups.length },
    'released what a dead worker held',
  );
}

/** By token and never by id: by id it could hit the healthy attempt that took over. */
async function failByToken(client: Client, input: ReleaseInput, attempt: OpenAttempt): Promise<void> {
  try {
    await client.workflowService.respondActivityTaskFailed({
      namespace: input.temporalNamespace,
      taskToken: attempt.taskToken,
      failure: {
        message: 'The worker died.',
        applicationFailureInfo: { type: 'WorkerLost', nextRetryDelay: { nanos: 1_000_000 } },
      },
    });
  } catch (error) {
    // Not found: the attempt is over already, or its server is away; its timeout is the net below this.
    input.log.info(
      { err: error, runId: attempt.runId, unit: attempt.unit },
      'an attempt was not failed by its token',
    );
  }
}

function isAlive(executor: ExecutorRow): boolean {
  const row = findProcess(executor.pid);
  return row !== undefined && !row.dead && row.started === executor.process_started;
}

async function resetStickyQueues(db: Db, client: Client, input: ReleaseInput): Promise<void> {
  const runs = await listStarted(db, mostStickyResets);
  for (let from = 0; from < runs.length; from += resetsAtOnce) {
    const batch = runs.slice(from, from + resetsAtOnce);
    await Promise.all(
      batch.map((run) =>
        client.workflowService
          .resetStickyTaskQueue({
            namespace: input.temporalNamespace,
            execution: { workflowId: workflowId('run', run.id) },
          })
          .catch((error: unknown) => {
            input.log.info({ err: error, runId: run.id }, 'a sticky queue was not reset');
          }),
      ),
    );
  }
}
