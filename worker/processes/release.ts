// Letting go of what a dead worker held, at once instead of after its timeouts: kill what is left of it, see it gone,
// fail its activities, close what it had reserved, and send its workflows to the workers that live. Safe to run twice.
import type { Logger } from 'pino';
import { findProcess, thisHost } from '../../activities/host/process-table.ts';
import { createHandles } from '../../activities/sandbox/run-sandboxes.ts';
import { lostReservations, closeLost } from '../../activities/store/allowances/allowances.ts';
import {
  handlesLeftBy,
  markLost,
  openAttemptsOf,
  type OpenAttempt,
} from '../../activities/store/runs/attempts.ts';
import { type Db, openDatabase } from '../../activities/store/db/database.ts';
import { endExecutor, type ExecutorRow, liveExecutorsOn } from '../../activities/store/runs/executors.ts';
import { logged } from '../../api/upkeep/executions.ts';
import type { Kind } from '../../api/upkeep/kind.ts';
import { kinds } from '../../api/upkeep/kinds.ts';
import { workflowId } from '../../workflows/contracts/messages.ts';
import type { Config } from '../config/config.ts';
import { folderKey, machineOf } from '../machine.ts';
import { failHeld, workerLost } from './fail-held.ts';
import { type SandboxConfig, sandboxDrivers } from './sandboxes.ts';
import { openClient, type TemporalAddress } from './temporal-client.ts';
import type { Client } from '@temporalio/client';

export type ReleaseInput = TemporalAddress &
  SandboxConfig &
  Pick<Config, 'workerOnly' | 'executorName'> & {
    databaseUrl: string;
    log: Logger;
  };

// Of each kind; those beyond it wait for their timeouts.
const mostLookedAt = 1000;
const atOnce = 20;

/** Releases every executor of this host whose process no longer exists. */
export async function releaseExecutors(input: ReleaseInput): Promise<void> {
  const database = openDatabase({ url: input.databaseUrl, connections: 4, name: 'perdure-release' });
  const client = openClient(input);
  try {
    const executors = await liveExecutorsOn(database.db, thisHost(), folderKey(input.dataFolder));
    const dead = executors.filter((executor) => !isAlive(executor));
    for (const executor of dead) await release(database.db, client, input, executor);
    if (dead.length > 0) await freeWorkflows(database.db, client, input, identitiesOf(dead, executors));
  } finally {
    await Promise.all([database.close(), client.connection.close()]);
  }
}

async function release(db: Db, client: Client, input: ReleaseInput, executor: ExecutorRow): Promise<void> {
  const attempts = await openAttemptsOf(db, executor.id);
  const handles = await handlesLeftBy(db, executor.id);
  await createHandles(sandboxDrivers(input)).sweep(handles);
  await markLost(db, executor.id);
  await Promise.all(attempts.map((attempt) => failByToken(client, input, attempt)));
  await closeReservations(db, input, executor);
  await endExecutor(db, executor.id);
  input.log.warn(
    { executor: executor.id, pid: executor.pid, attempts: attempts.length, handles: handles.length },
    'released what a dead worker held',
  );
}

/** After the attempts, and each by itself: a lock on a tenant's money must not keep back the worker's runs. */
async function closeReservations(db: Db, input: ReleaseInput, executor: ExecutorRow): Promise<void> {
  for (const lost of await lostReservations(db, executor.id)) {
    try {
      // The sweeper tells of reached thresholds.
      await closeLost(db, lost);
    } catch (error) {
      input.log.warn(
        { err: error, runId: lost.run.id },
        "what a dead worker had reserved was not closed; the run's next attempt, or its end, does so",
      );
    }
  }
}

/** By token and never by id: by id it could hit the healthy attempt that took over. */
async function failByToken(client: Client, input: ReleaseInput, attempt: OpenAttempt): Promise<void> {
  try {
    await client.workflowService.respondActivityTaskFailed({
      namespace: input.temporalNamespace,
      taskToken: attempt.taskToken,
      failure: workerLost,
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

/** What the dead called themselves towards Temporal. A live worker may have got the process id of one of them. */
function identitiesOf(dead: ExecutorRow[], all: ExecutorRow[]): Set<string> {
  const alive = all.filter((executor) => !dead.includes(executor)).map(identityOf);
  return new Set(dead.map(identityOf).filter((identity) => !alive.includes(identity)));
}

function identityOf({ host, pid }: ExecutorRow): string {
  return `${host}/${pid}`;
}

async function freeWorkflows(
  db: Db,
  client: Client,
  input: ReleaseInput,
  identities: Set<string>,
): Promise<void> {
  for (const kind of kinds) {
    const machine = machineOf(input);
    // The workers of another machine had work of those runs alone that need it.
    const rows = (await kind.listActive(db, mostLookedAt)).filter(
      (row) => machine === null || executorOf(row) === machine,
    );
    for (let from = 0; from < rows.length; from += atOnce) {
      const batch = rows.slice(from, from + atOnce);
      await Promise.all(batch.map(({ id }) => freeWorkflow(client, input, kind, id, identities)));
    }
  }
}

function executorOf(row: object): unknown {
  return 'executor' in row ? row.executor : null;
}

async function freeWorkflow(
  client: Client,
  input: ReleaseInput,
  kind: Kind,
  id: string,
  identities: Set<string>,
): Promise<void> {
  const { temporalNamespace: namespace, log } = input;
  const execution = { workflowId: workflowId(kind.name, id) };
  try {
    if (machineOf(input) === null)
      await client.workflowService.resetStickyTaskQueue({ namespace, execution });
    await failHeld({ client, namespace, ...execution, identities });
  } catch (error) {
    // Its workflow has ended, or the server is away; timeouts are the net below this.
    log.info({ err: error, ...logged(kind, id) }, `a ${kind.name} was not freed of a dead worker`);
  }
}
