// Real workers in the test process: a namespace of their own on the real Temporal server, a database of their own,
// the scripted model and the mount sandbox. What a person or an operator does to runs is a method each.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import pino, { type Logger } from 'pino';
import { afterAll, afterEach, beforeAll, describe, inject, onTestFinished, TestRunner } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import type { ActivityDeps } from '../../activities/deps.ts';
import { bookUnanswered } from '../../activities/step/use.ts';
import type { ScenarioStep } from '../../activities/llm/scenario.ts';
import { createStops } from '../../activities/store/runs/stops.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import { seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import { registerExecutor } from '../../activities/store/runs/executors.ts';
import { stoppedAmong } from '../../activities/store/runs/inputs.ts';
import { ensureBuiltIns } from '../../activities/store/policies/policies.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { isTemporalOutage } from '../../api/upkeep/executions.ts';
import { upkeepOf } from '../../api/upkeep/kinds.ts';
import { createTimers, type Timers } from '../../api/upkeep/timers.ts';
import type { Upkeep } from '../../api/upkeep/upkeep.ts';
import type { Activities } from '../../workflows/contracts/activities.ts';
import type { NewEvent } from '../../workflows/contracts/event.ts';
import { wake, workflowId } from '../../workflows/contracts/messages.ts';
import { activityDeps } from '../../worker/processes/activity-deps.ts';
import { workflowBundle } from '../../worker/processes/bundle.ts';
import { loadConfig } from '../../worker/config/config.ts';
import { openStore, type RoleConfig } from '../../worker/processes/deps.ts';
import { redactFailures } from '../../worker/logs/redact-failures.ts';
import { workerSandboxes } from '../../worker/processes/sandboxes.ts';
import { createWorkers, installRuntime } from '../../worker/processes/temporal.ts';
import { openClient } from '../../worker/processes/temporal-client.ts';
import { type Ways, waysTo } from '../../worker/processes/ways.ts';
import { keepHistory } from '../histories/keep.ts';
import { createTestDatabase } from './postgres.ts';
import type { NewRun } from './accepting.ts';
import { executorId, expectWholeLog, storeOver, type TestStore } from './store.ts';
import { type ShownWorkflow, shownIn } from './shown-workflow.ts';
import { until } from './story.ts';
import { createTestNamespace } from './temporal.ts';
import { withFaults } from './with-faults.ts';

export interface Kernel extends Ways {
  store: TestStore;
  client: Client;
  timers: Timers;
  /** What the server's loops do here. */
  upkeep: readonly Upkeep[];
  logger: Logger;
  /** Its data folder. */
  folder: string;
  deps: ActivityDeps;
  /** A model that answers step by step as written; its name for a run. */
  script(...steps: ScenarioStep[]): Promise<string>;
  /** An empty project directory. */
  project(): Promise<string>;
  /** Inside a test they stop with it, however it ends; else with the file. */
  startWorkers(changes?: WorkerChanges): Promise<void>;
  stopWorkers(): Promise<void>;
  /** Accepts a run and starts its workflow. */
  start(changes: Partial<NewRun> & { model: string }): Promise<RunRow>;
  steer(run: RunRow, messageId: string, text?: string): Promise<void>;
  stop(run: RunRow, kind: 'interrupt' | 'cancel'): Promise<void>;
  wake(run: Pick<RunRow, 'id'>): Promise<void>;
  /** Waits until the log of the run holds such an event, and returns it. */
  seen(run: RunRow, type: NewEvent['type'], fits?: (payload: never) => boolean): Promise<NewEvent>;
  /** Waits until the run has ended and its workflow with it. */
  ended(run: RunRow): Promise<RunRow>;
  /** How Temporal's UI shows the workflow of a run that has ended. */
  shown(run: RunRow): Promise<ShownWorkflow>;
  history(run: RunRow, executionId?: string): Promise<History>;
  /** Keeps the history of a workflow that the test started by hand, as `start` does for its own. */
  keep(run: RunRow, executionId?: string): void;
}

export interface WorkerChanges {
  llmSlots?: number;
  toolSlots?: number;
  /** Those of an executor of this name, beside the ones that are there. */
  machine?: string;
  /** Changes what the activities are given. */
  deps?: (deps: ActivityDeps) => ActivityDeps;
  /** Stands between Temporal and the activities: the place for what happens before or after one. */
  activities?: (activities: Activities) => Partial<Activities>;
}

const bundle = workflowBundle(inject('bundles'));
const logger = pino({ level: process.env['KERNEL_LOG'] ?? 'fatal' });
installRuntime(logger);

/**
 * Defines the tests twice: with the workflow cache as shipped, and with every workflow task a replay. The second is for
 * `--faults`, and left out where it would show nothing more: every kept history is replayed as well.
 */
export function withKernel(
  define: (kernel: Kernel) => void,
  options: { idle?: boolean; replay?: 'never' } = {},
): void {
  const caches = [
    { cache: 'workflows cached', cachedWorkflows: undefined },
    { cache: 'every workflow task a replay', cachedWorkflows: 0 },
  ];
  // A kernel that is left out is not even opened.
  const chosen = caches.slice(0, withFaults && options.replay !== 'never' ? 2 : 1);
  describe.each(chosen)('$cache', async ({ cachedWorkflows }) => {
    const kernel = await openKernel(cachedWorkflows);
    if (!options.idle) beforeAll(() => kernel.startWorkers());
    afterEach(() => expectWholeLog(kernel.store));
    define(kernel);
  });
}

interface Parts extends Pick<Kernel, 'store' | 'client' | 'timers' | 'deps'> {
  ways: Ways;
  config: RoleConfig;
  folder: string;
  scenarios: string;
  close(): Promise<void>;
}

async function openParts(): Promise<Parts> {
  const [{ url }, { address, namespace }] = await Promise.all([createTestDatabase(), createTestNamespace()]);
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-kernel-'));
  const scenarios = path.join(folder, 'scenarios');
  await mkdir(scenarios);
  const config = loadConfig({
    environment: {
      PERDURE_DATA: folder,
      PERDURE_SCENARIOS: scenarios,
      PERDURE_TEMPORAL_NAMESPACE: namespace,
      PERDURE_DRAIN_SECONDS: '0',
      DATABASE_URL: url,
      TEMPORAL_ADDRESS: address,
    },
  }) as RoleConfig;
  const opened = openStore({ ...config, secrets: [], name: 'test-kernel', connections: 30, logger });
  const { db } = opened.database;
  const stops = createStops({ databaseUrl: url, stoppedAmong: (runIds) => stoppedAmong(db, runIds), logger });
  const client = insisting(openClient(config));
  const ways = waysTo(client, logger);
  const timers = createTimers({ db, client, logger });
  const { sandboxes, background } = workerSandboxes(config, db, logger);
  const executor = { id: executorId, host: hostname() };
  const owner = { tenantId: defaultTenant, pid: process.pid, startedTicks: 'test' };
  await ensureBuiltIns(db, defaultTenant);
  await seedTenantAllowance(db, defaultTenant);
  await registerExecutor(db, { ...executor, ...owner, queues: [], capacity: {} });
  return {
    config,
    folder,
    scenarios,
    client,
    ways,
    timers,
    store: storeOver(url, opened.database, opened.log),
    deps: activityDeps(config, {
      store: opened,
      stops,
      executor,
      ways,
      background,
      sandboxes,
      logger,
    }),
    async close() {
      await Promise.all([...Object.values(ways), timers].map((each) => each.settled()));
      await background.close();
      await sandboxes.close();
      await stops.close();
      await client.connection.close();
      await opened.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Says again what Temporal has not heard, as often as it takes. The product's starts and wakes give up after a second, for
 * its sweeper to repeat; here there is none, and a loaded machine takes longer.
 */
function insisting(client: Client): Client {
  client.connection.withDeadline = async (_, act) => {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (!isTemporalOutage(error)) throw error;
        await sleep(50);
      }
    }
  };
  return client;
}

/** Starts and stops the workers of a kernel. */
function createCrew(
  { config, deps }: Parts,
  cachedWorkflows: number | undefined,
): Pick<Kernel, 'startWorkers' | 'stopWorkers'> {
  let stop: (() => Promise<void>) | undefined;

  async function stopWorkers(): Promise<void> {
    const stopping = stop;
    stop = undefined;
    await stopping?.();
  }

  return {
    stopWorkers,
    async startWorkers({ deps: changeDeps, activities: changeActivities, machine, ...slots } = {}) {
      const before = machine === undefined ? undefined : stop;
      if (TestRunner.getCurrentTest()) onTestFinished(stopWorkers);
      const activities = createActivities(changeDeps ? changeDeps(deps) : deps);
      const workers = await createWorkers({
        ...config,
        slots: { ...config, ...slots },
        identity: 'test',
        ...(machine === undefined ? { bundle: await bundle } : { bundle: undefined, machine }),
        activities: { ...activities, ...changeActivities?.(activities) },
        interceptors: { activity: [() => redactFailures((text) => deps.log.redact(text))] },
        // A worker that leaves its activities behind fails the test: a loaded machine may take longer to end them.
        leftBehindSeconds: 60,
        ...(cachedWorkflows === undefined ? {} : { cachedWorkflows }),
      });
      const running = workers.run();
      stop = async () => {
        workers.shutdown();
        await running;
        await before?.();
      };
    },
  };
}

async function openKernel(cachedWorkflows: number | undefined): Promise<Kernel> {
  const parts = await openParts();
  const { client, folder, scenarios, store } = parts;
  const ways = { ...parts.ways, timers: parts.timers };
  const { runs } = ways;
  const crew = createCrew(parts, cachedWorkflows);
  let written = 0;

  afterAll(async () => {
    await crew.stopWorkers();
    await parts.close();
  });

  const kernel: Kernel = {
    store,
    client,
    ...ways,
    logger,
    folder,
    deps: parts.deps,
    upkeep: upkeepOf({
      log: store.log,
      ...ways,
      logger,
      executorPatienceSeconds: 900,
      book: (...of) => bookUnanswered(parts.deps, ...of),
    }),
    async script(...steps) {
      written += 1;
      // JSON is YAML.
      await writeFile(path.join(scenarios, `script-${written}.yaml`), JSON.stringify({ steps }));
      return `scripted/script-${written}`;
    },
    project: () => mkdtemp(path.join(folder, 'project-')),
    ...crew,
    async start(changes) {
      const { run, became } = await store.accept(changes);
      // Whatever kept it from being heard: no sweeper repeats it here.
      while (became === 'started' && !runs.isStarted(run)) {
        runs.started(run);
        await runs.settled();
      }
      kernel.keep(run);
      return run;
    },
    async steer(run, messageId, text = 'More.') {
      await store.input(run, { kind: 'steer', messageId, text });
      await kernel.wake(run);
    },
    async stop(run, kind) {
      await store.input(run, { kind, messageId: `${kind}-1` });
      await kernel.wake(run);
    },
    async wake({ id }) {
      // Without the deadline that the product gives a wake: no sweeper repeats it here.
      await client.workflow
        .getHandle(workflowId('run', id))
        .signal(wake)
        .catch((error: unknown) => {
          if (!(error instanceof WorkflowNotFoundError)) throw error;
        });
    },
    async seen(run, type, fits = () => true) {
      return until(kernel, run, `an event ${type}`, async () =>
        (await store.events(run)).find((event) => event.type === type && fits(event.payload as never)),
      );
    },
    async ended(run) {
      const row = await until(kernel, run, 'the end', async () => {
        const current = await store.run(run.id);
        return current.ended_at ? current : undefined;
      });
      // One that did not succeed closes as failed or cancelled.
      const closed = client.workflow.getHandle(workflowId('run', run.id)).result();
      await closed.catch((error: unknown) => {
        if (!(error instanceof WorkflowFailedError)) throw error;
      });
      return row;
    },
    ...kept(client),
  };
  return kernel;
}

/** What Temporal has of a run. */
function kept(client: Client): Pick<Kernel, 'shown' | 'keep' | 'history'> {
  return {
    shown: (run) => shownIn(client, workflowId('run', run.id)),
    keep: (run, executionId) => keepHistory(client, workflowId('run', run.id), executionId),
    history: (run, executionId) =>
      client.workflow.getHandle(workflowId('run', run.id), executionId).fetchHistory(),
  };
}
