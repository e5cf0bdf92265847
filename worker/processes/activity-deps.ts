// What the activities of this worker are given, out of its configuration and what it has opened.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import type { ActivityDeps } from '../../activities/deps.ts';
import { createLlms } from '../../activities/llm/index.ts';
import { openMount } from '../../activities/sandbox/mount.ts';
import { killGroup, killMarked } from '../../activities/sandbox/process-group.ts';
import { createProfiles } from '../../activities/store/policies/policy-scopes.ts';
import type { Stops } from '../../activities/store/runs/stops.ts';
import type { Background } from '../../activities/tools/background.ts';
import { publicEgress } from '../../activities/tools/fetch.ts';
import { createTools } from '../../activities/tools/index.ts';
import type { Runs } from '../../api/upkeep/run-kind.ts';
import { commandPath } from '../config/config.ts';
import type { RoleConfig, Store } from './deps.ts';
import { modelPrice } from './model-price.ts';
import { createTrees } from './trees.ts';

export interface Opened {
  store: Store;
  stops: Stops;
  executor: ActivityDeps['executor'];
  runs: Runs;
  background: Background;
  logger: Logger;
}

export function activityDeps(config: RoleConfig, opened: Opened): ActivityDeps {
  const { store, stops, executor, runs, background, logger } = opened;
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
    async openSandbox(run) {
      const root = run.projectPath ?? path.join(config.dataFolder, 'work', run.id);
      // A run without a project works in a folder of its own.
      if (run.projectPath === null) await mkdir(root, { recursive: true, mode: 0o700 });
      return openMount({ root, path: commandPath(), mayUse: run.mayUse });
    },
    trees: createTrees(config.dataFolder),
    async killGroup(group, call) {
      await killGroup(group);
      await killMarked(call);
    },
    hasBackground: (runId) => background.runIds().includes(runId),
    endBackground: (runId) => background.endRun(runId),
    startRun: runs.started,
  };
}
