// Real workers in the test process: a namespace of their own on the real Temporal server, a database of their own,
// the scripted model and the mount sandbox. What a person or an operator does to runs is a method each.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import type { History } from '@temporalio/common/lib/proto-utils.js';
import proto from '@temporalio/proto';
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
import { createExecutions, type Executions } from '../../api/upkeep/executions.ts';
import { upkeepOf } from '../../api/upkeep/kinds.ts';
import { runKind } from '../../api/upkeep/run-kind.ts';
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
import { keepHistory } from '../histories/keep.ts';
import { createTestDatabase } from './postgres.ts';
import type { NewRun } from './accepting.ts';
import { executorId, expectWholeLog, storeOver, type TestStore } from './store.ts';
import { story } from './story.ts';
import { createTestNamespace } from './temporal.ts';
import { withFaults } from './with-faults.ts';

export interface Kernel {
  store: TestStore;
  client: Client;
  runs: Executions<RunRow>;
  /** What the server's loops do here. */
  upkeep: readonly Upkeep[];
  logger: Logger;
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

export interface ShownWorkflow {
  status: string;
  /** Of one that completed; the details of a failure, or the memo of a cancelled one. */
  result: unknown;
  /** Type and message of a failure. */
  failure: [string | null | undefined, string] | undefined;
  summary: unknown;
  details: unknown;
}

export interface WorkerChanges {
  llmSlots?: number;
  toolSlots?: number;
  /** Changes what the activities are given. */
  deps?: (deps: ActivityDeps) => ActivityDeps;
  /** Stands between Temporal and the activities: the place for what happens before or after one. */
  activities?: (activities: Activities) => Partial<Activities>;
}

const { EventType } = proto.temporal.api.enums.v1;

// Well above what any step of a test takes, below the time a test has: a hang is told with the run's events.
const longestMs = 20_000;
const bundle = workflowBundle(inject('bundles'));
const logger = pino({ level: process.env['KERNEL_LOG'] ?? 'fatal' });
installRuntime(logger);

/**
 * Defines the tests twice: with the workflow cache as shipped, and with every workflow task a replay. The second is for
 * `--faults` unless said otherwise: determinism is also what every kept history is replayed for.
 */
export function withKernel(
  define: (kernel: Kernel) => void,
  options: { idle?: boolean; replay?: 'faults' | 'always' | 'never' } = {},
): void {
  const caches = [
    { cache: 'workflows cached', cachedWorkflows: undefined, isLong: false },
    { cache: 'every workflow task a replay', cachedWorkflows: 0, isLong: options.replay !== 'always' },
  ].slice(0, options.replay === 'never' ? 1 : 2);
  // A kernel that is left out is not even opened.
  const chosen = caches.filter(({ isLong }) => withFaults || !isLong);
  describe.each(chosen)('$cache', async ({ cachedWorkflows }) => {
    const kernel = await openKernel(cachedWorkflows);
    if (!options.idle) beforeAll(() => kernel.startWorkers());
    afterEach(() => expectWholeLog(kernel.store));
    define(kernel);
  });
}

interface Parts extends Pick<Kernel, 'store' | 'client' | 'runs' | 'deps'> {
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
  const client = openClient(config);
  const runs = createExecutions(runKind, client, logger);
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
    runs,
    store: storeOver(url, opened.database, opened.log),
    deps: activityDeps(config, { store: opened, stops, executor, runs, background, sandboxes, logger }),
    async close() {
      await runs.settled();
      await background.close();
      await sandboxes.close();
      await stops.close();
      await client.connection.close();
      await opened.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Starts and stops the workers of a kernel; there is one set of them at a time. */
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
    async startWorkers({ deps: changeDeps, activities: changeActivities, ...slots } = {}) {
      if (TestRunner.getCurrentTest()) onTestFinished(stopWorkers);
      const activities = createActivities(changeDeps ? changeDeps(deps) : deps);
      const workers = await createWorkers({
        ...config,
        slots: { ...config, ...slots },
        identity: 'test',
        bundle: await bundle,
        activities: { ...activities, ...changeActivities?.(activities) },
        interceptors: { activity: [() => redactFailures((text) => deps.log.redact(text))] },
        ...(cachedWorkflows === undefined ? {} : { cachedWorkflows }),
      });
      const running = workers.run();
      stop = async () => {
        workers.shutdown();
        await running;
      };
    },
  };
}

async function openKernel(cachedWorkflows: number | undefined): Promise<Kernel> {
  const parts = await openParts();
  const { client, folder, runs, scenarios, store } = parts;
  const crew = createCrew(parts, cachedWorkflows);
  let written = 0;

  afterAll(async () => {
    await crew.stopWorkers();
    await parts.close();
  });

  const kernel: Kernel = {
    store,
    client,
    runs,
    logger,
    deps: parts.deps,
    upkeep: upkeepOf({ log: store.log, runs, logger, book: (...of) => bookUnanswered(parts.deps, ...of) }),
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
      // A loaded machine misses the deadline of a start. No sweeper repeats it here.
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
    shown: (run) => shownIn(client, workflowId('run', run.id)),
    keep: (run, executionId) => keepHistory(client, workflowId('run', run.id), executionId),
    history: (run, executionId) =>
      client.workflow.getHandle(workflowId('run', run.id), executionId).fetchHistory(),
  };
  return kernel;
}

async function shownIn(client: Client, workflow: string): Promise<ShownWorkflow> {
  const handle = client.workflow.getHandle(workflow);
  const { status, memo, raw } = await handle.describe();
  const { summary, details } = raw.executionConfig?.userMetadata ?? {};
  const text = (payload: typeof summary): unknown => payload && defaultPayloadConverter.fromPayload(payload);
  const described = { status: status.name, summary: text(summary), details: text(details) };
  try {
    return { ...described, result: await handle.result(), failure: undefined };
  } catch (error) {
    const { cause } = error as WorkflowFailedError;
    const failed = cause instanceof ApplicationFailure ? cause : undefined;
    const result = failed ? failed.details?.[0] : memo?.['result'];
    return { ...described, result, failure: failed && [failed.type, failed.message] };
  }
}

/** Looks again until it finds something; the error of a hang says what has happened so far. */
async function until<T>(
  kernel: Kernel,
  run: RunRow,
  what: string,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + longestMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) {
      const { events } = await kernel.history(run);
      const types = (events ?? []).map(({ eventType }) => EventType[eventType ?? 0]);
      const { raw } = await kernel.client.workflow.getHandle(workflowId('run', run.id)).describe();
      const failing = (raw.pendingActivities ?? []).map(
        ({ activityType, attempt, lastFailure }) =>
          `${activityType?.name}, attempt ${attempt}: ${lastFailure?.message ?? 'no failure'}`,
      );
      const told = [...(await story(kernel, run)), 'In Temporal:', ...types.slice(-12), ...failing];
      throw new Error(`Run ${run.id} did not come to ${what}. So far:\n${told.join('\n')}`);
    }
    await sleep(15);
  }
}
