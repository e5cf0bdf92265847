// The worker role: registers as an executor, runs workflows and activities, drains on a stop.
import path from 'node:path';
import { v7 as uuid } from 'uuid';
import type { Logger } from 'pino';
import type { ActivityDeps } from '../../activities/deps.ts';
import { createActivities } from '../../activities/index.ts';
import { findProcess, thisHost } from '../../activities/host/process-table.ts';
import { createStops } from '../../activities/store/runs/stops.ts';
import { seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import { type Db, defaultTenant } from '../../activities/store/db/database.ts';
import { untilStored } from '../../activities/store/db/until-stored.ts';
import { beat, endExecutor, registerExecutor } from '../../activities/store/runs/executors.ts';
import { stoppedAmong } from '../../activities/store/runs/inputs.ts';
import { endedAmong } from '../../activities/store/runs/runs.ts';
import { createExecutions } from '../../api/upkeep/executions.ts';
import { runKind } from '../../api/upkeep/run-kind.ts';
import type { Activities } from '../../workflows/contracts/activities.ts';
import { taskQueues } from '../../workflows/contracts/messages.ts';
import { createChores } from '../chores.ts';
import { activityDeps } from './activity-deps.ts';
import { workflowBundle } from './bundle.ts';
import { knownSecrets } from '../config/config.ts';
import { openStore, type RoleConfig, type Store } from './deps.ts';
import { logActivities } from '../logs/log-activities.ts';
import { redactFailures } from '../logs/redact-failures.ts';
import { releaseExecutors } from './release.ts';
import { workerSandboxes } from './sandboxes.ts';
import { createWorkers, installRuntime } from './temporal.ts';
import { openClient } from './temporal-client.ts';

// Three beats within the time the API calls a worker live.
const beatMs = 5000;

export interface RunningWorker {
  /** Resolves when the process may end. */
  running: Promise<void>;
  /** Drains; a second call changes nothing. */
  stop(): void;
}

export interface PreparedWorker {
  /** Registers as an executor and takes work. */
  activate(): Promise<RunningWorker>;
  /** Instead of activating it. */
  discard(): Promise<void>;
}

/** Stands between the process and its activities; a test has its worker die there. */
export interface Between {
  deps(deps: ActivityDeps): ActivityDeps;
  activities(activities: Activities): Activities;
}

const nothing: Between = { deps: (deps) => deps, activities: (activities) => activities };

export async function startWorkerProcess(config: RoleConfig, logger: Logger): Promise<RunningWorker> {
  const prepared = await prepareWorker(config, logger);
  return prepared.activate();
}

/** Everything that takes time and touches nothing: what is left to activate is done in some ten milliseconds. */
export async function prepareWorker(
  config: RoleConfig,
  logger: Logger,
  between: Between = nothing,
): Promise<PreparedWorker> {
  installRuntime(logger);
  const bundle = await workflowBundle(path.join(config.dataFolder, 'cache'));
  const store = openWorkerStore(config, logger);
  const executor = { id: uuid(), host: thisHost() };
  const stops = createStops({
    databaseUrl: config.databaseUrl,
    stoppedAmong: (runIds) => stoppedAmong(store.database.db, runIds),
    logger,
  });
  const client = openClient(config);
  const { sandboxes, background } = workerSandboxes(config, store.database.db, logger);
  const runs = createExecutions(runKind, client, logger);
  const opened = { store, stops, executor, runs, background, sandboxes, logger };
  const deps = between.deps(activityDeps(config, opened));
  const workers = await createWorkers({
    ...config,
    slots: config,
    identity: `${executor.host}/${process.pid}`,
    bundle,
    activities: between.activities(createActivities(deps)),
    interceptors: {
      activity: [() => redactFailures((text) => store.log.redact(text)), () => logActivities(logger)],
    },
  });

  async function close(): Promise<void> {
    await background.close();
    await sandboxes.close();
    await stops.close();
    await store.close();
    await client.connection.close();
  }

  /** A run may end on another worker, or by the reconciler: what it has running and open here ends with it. */
  async function leaveEnded(): Promise<void> {
    const held = new Set([...background.runIds(), ...sandboxes.runIds()]);
    for (const runId of await endedAmong(store.database.db, [...held])) await deps.leaveRun(runId);
  }

  return {
    async activate() {
      // Whatever an earlier worker of this host left behind is ended before new work is taken.
      await sandboxes.sweep([]);
      // A worker that takes over waits until an outage or a full disk has passed.
      await untilStored(() => seedTenantAllowance(store.database.db, defaultTenant));
      await untilStored(() => register(store.database.db, config, executor));
      const releasing = releaseExecutors({ ...config, log: logger }).catch((error: unknown) => {
        logger.warn({ err: error }, 'what earlier workers held was not released; its timeouts will');
      });
      const chores = createChores(logger);
      const stopBeating = [
        chores.every('the heartbeat to Postgres', beatMs, () =>
          beatOnce(store.database.db, executor.id, logger),
        ),
        chores.every('leaving what has ended elsewhere', beatMs, leaveEnded),
      ];
      async function runToTheEnd(): Promise<void> {
        try {
          await workers.run();
        } finally {
          for (const stop of stopBeating) stop();
          await releasing;
          await endExecutor(store.database.db, executor.id);
          await close();
        }
      }
      return { running: runToTheEnd(), stop: () => workers.shutdown() };
    },
    async discard() {
      await workers.discard();
      await close();
    },
  };
}

async function register(db: Db, config: RoleConfig, executor: { id: string; host: string }): Promise<void> {
  await registerExecutor(db, {
    ...executor,
    tenantId: defaultTenant,
    pid: process.pid,
    startedTicks: findProcess(process.pid)?.started ?? '',
    queues: Object.values(taskQueues),
    capacity: { llm: config.llmSlots, tools: config.toolSlots },
  });
}

async function beatOnce(db: Db, executorId: string, logger: Logger): Promise<void> {
  if (await beat(db, executorId)) return;
  // Another process declared this one dead and gave its work away: what it still does comes late.
  logger.fatal('this executor was declared dead; the process ends');
  process.exit(1);
}

function openWorkerStore(config: RoleConfig, logger: Logger): Store {
  return openStore({
    ...config,
    secrets: knownSecrets(config),
    name: 'perdure-worker',
    // One for each activity that may be at work, within what Postgres has for all processes.
    connections: Math.min(40, config.llmSlots + config.toolSlots + 16),
    logger,
  });
}
