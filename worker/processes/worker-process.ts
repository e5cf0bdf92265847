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
import {
  beat,
  drainExecutor,
  endExecutor,
  namesake,
  registerExecutor,
} from '../../activities/store/runs/executors.ts';
import { stoppedAmong } from '../../activities/store/runs/inputs.ts';
import { livingAmong } from '../../activities/store/retention/run-folders.ts';
import { endedAmong } from '../../activities/store/runs/runs.ts';
import type { Activities } from '../../workflows/contracts/activities.ts';
import { type Chores, createChores } from '../chores.ts';
import { activityDeps } from './activity-deps.ts';
import { workflowBundle } from './bundle.ts';
import { knownSecrets } from '../config/config.ts';
import { openStore, type RoleConfig, type Store } from './deps.ts';
import { folderKey, machineOf, nameOf } from '../machine.ts';
import { logActivities } from '../logs/log-activities.ts';
import { redactFailures } from '../logs/redact-failures.ts';
import { version } from '../version.ts';
import { releaseExecutors } from './release.ts';
import { logLacks, sandboxDrivers, sandboxViews, workerSandboxes } from './sandboxes.ts';
import { createWorkers, installRuntime, polledQueues, type Workers, type WorkersInput } from './temporal.ts';
import { openClient } from './temporal-client.ts';
import { waysTo } from './ways.ts';

// Three beats within the time the API calls a worker live.
const beatMs = 5000;

// A run's own worker lets go of its sandbox; only what a killed one has left waits for this.
const sandboxSweepMs = 60_000;

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
  const taken = await takenBy(config);
  const store = openWorkerStore(config, logger);
  const executor = { id: uuid(), host: thisHost() };
  const stops = createStops({
    databaseUrl: config.databaseUrl,
    stoppedAmong: (runIds) => stoppedAmong(store.database.db, runIds),
    logger,
  });
  const client = openClient(config);
  const { sandboxes, background } = workerSandboxes(config, store.database.db, logger);
  const ways = waysTo(client, logger);
  const opened = { store, stops, executor, ways, background, sandboxes, logger };
  const deps = between.deps(activityDeps(config, opened));
  const workers = await createWorkers({
    ...config,
    slots: config,
    identity: `${executor.host}/${process.pid}`,
    ...taken,
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

  const removeEnded = (): Promise<void> =>
    sandboxes.removeEnded((runIds) => livingAmong(store.database.db, runIds));

  // Tried now, while there is time.
  const usable = usableSandboxes(config).catch(() => []);

  return {
    async activate() {
      // Whatever an earlier worker of this host left behind is ended before new work is taken.
      await Promise.all([sandboxes.sweep([]), deps.waysOut.sweep()]);
      // A worker that takes over waits until an outage or a full disk has passed.
      await untilStored(() => seedTenantAllowance(store.database.db, defaultTenant));
      const modes = await usable;
      await untilStored(() => register(store.database.db, config, executor, modes));
      const releasing = releaseExecutors({ ...config, log: logger }).catch((error: unknown) => {
        logger.warn({ err: error }, 'what earlier workers held was not released; its timeouts will');
      });
      const chores = createChores(logger);
      chores.run('removing sandboxes of runs that have ended', removeEnded);
      chores.run('looking at what sandboxes go without', () => logLacks(sandboxDrivers(config), logger));
      const stopBeating = [
        chores.every('the heartbeat to Postgres', beatMs, () =>
          beatOnce(store.database.db, executor.id, logger),
        ),
        chores.every('leaving what has ended elsewhere', beatMs, leaveEnded),
        chores.every('removing sandboxes of runs that have ended', sandboxSweepMs, removeEnded),
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
      return { running: runToTheEnd(), stop: stopOf(workers, chores, store.database.db, executor.id) };
    },
    async discard() {
      await workers.discard();
      await close();
    },
  };
}

/** That it takes no more tasks is said and not waited for: where Postgres is away, what is under way still ends in its time. */
function stopOf(workers: Workers, chores: Chores, db: Db, executorId: string): () => void {
  return () => {
    chores.run('saying that this worker takes no more tasks', () => drainExecutor(db, executorId));
    workers.shutdown();
  };
}

/** The machine of an executor takes no workflows. */
async function takenBy(config: RoleConfig): Promise<Pick<WorkersInput, 'bundle' | 'machine'>> {
  const machine = machineOf(config);
  const bundle = machine === null ? await workflowBundle(path.join(config.dataFolder, 'cache')) : undefined;
  return { bundle, machine };
}

async function usableSandboxes(config: RoleConfig): Promise<string[]> {
  const views = await sandboxViews(sandboxDrivers(config)).sandboxes();
  return views.filter(({ problem }) => problem === null).map(({ mode }) => mode);
}

async function register(
  db: Db,
  config: RoleConfig,
  executor: { id: string; host: string },
  sandboxes: string[],
): Promise<void> {
  const named = { tenantId: defaultTenant, name: nameOf(config), folder: folderKey(config.dataFolder) };
  // Its supervisor has looked too; but this one may be the successor of a worker whose machine slept.
  const other = machineOf(config) && (await namesake(db, { ...named, host: executor.host }));
  if (other) throw new Error(`There is an executor ${named.name} already, on ${other.host}.`);
  await registerExecutor(db, {
    ...executor,
    tenantId: named.tenantId,
    pid: process.pid,
    startedTicks: findProcess(process.pid)?.started ?? '',
    folder: named.folder,
    queues: polledQueues(machineOf(config)).map(({ queue }) => queue),
    capacity: { llm: config.llmSlots, tools: config.toolSlots },
    offers: {
      // Its successor on this machine has the same, and what it had at work.
      name: named.name,
      capabilities: config.capabilities?.split(',') ?? [],
      sandboxes,
      // A run mostly waits for its model.
      places: config.llmSlots,
      codeVersion: version,
    },
  });
}

async function beatOnce(db: Db, executorId: string, logger: Logger): Promise<void> {
  if (await beat(db, executorId)) return;
  // Another process declared this one dead and gave its work away, or has it by its name: what it still does comes late.
  logger.fatal('this executor was declared dead, or its name is taken by another machine; the process ends');
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
