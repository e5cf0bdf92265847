// What the activities of this worker are given, out of its configuration and what it has opened.
import type { Logger } from 'pino';
import type { ActivityDeps } from '../../activities/deps.ts';
import { createLlms } from '../../activities/llm/index.ts';
import type { RunSandboxes } from '../../activities/sandbox/run-sandboxes.ts';
import { createProfiles } from '../../activities/store/policies/policy-scopes.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { Stops } from '../../activities/store/runs/stops.ts';
import type { Background } from '../../activities/tools/background.ts';
import { publicEgress } from '../../activities/tools/fetch.ts';
import { createTools } from '../../activities/tools/index.ts';
import type { Executions } from '../../api/upkeep/executions.ts';
import type { RoleConfig, Store } from './deps.ts';
import { modelPrice } from './model-price.ts';
import { createTrees } from './trees.ts';

export interface Opened {
  store: Store;
  stops: Stops;
  executor: ActivityDeps['executor'];
  runs: Executions<RunRow>;
  background: Background;
  sandboxes: RunSandboxes;
  logger: Logger;
}

export function activityDeps(config: RoleConfig, opened: Opened): ActivityDeps {
  const { store, stops, executor, runs, background, sandboxes, logger } = opened;
  return {
    log: store.log,
    contents: store.contents,
    redactor: store.redactor,
    logger,
    executor,
    llms: createLlms(config),
    price: modelPrice(config),
    tools: createTools({ background, egress: publicEgress }),
    profileOf: createProfiles(),
    stops,
    approvalSeconds: config.approvalSeconds,
    openSandbox: ({ mayUse, ...run }) => sandboxes.lend(run, mayUse),
    trees: createTrees(config.dataFolder),
    killHandle: sandboxes.kill,
    hasBackground: (runId) => background.runIds().includes(runId),
    endBackground: background.endRun,
    async leaveRun(runId) {
      await background.endRun(runId);
      await sandboxes.endRun(runId);
    },
    cancelWorkflow: runs.cancel,
    startRun: runs.started,
  };
}
