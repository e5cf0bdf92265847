// What the activities of this worker are given, out of its configuration and what it has opened.
import path from 'node:path';
import type { Logger } from 'pino';
import type { ActivityDeps } from '../../activities/deps.ts';
import { createWaysOut } from '../../activities/egress/ways-out.ts';
import { readProjectText } from '../../activities/git/project-text.ts';
import { createLlms } from '../../activities/llm/index.ts';
import { createModelConfigs } from '../../activities/store/presets/model-configs.ts';
import { withFiles } from '../../activities/sandbox/open-files.ts';
import type { RunSandboxes } from '../../activities/sandbox/run-sandboxes.ts';
import { createProfiles } from '../../activities/store/policies/policy-scopes.ts';
import type { Stops } from '../../activities/store/runs/stops.ts';
import type { Background } from '../../activities/tools/background.ts';
import { publicEgress } from '../../activities/egress/egress.ts';
import { createSkills } from '../../activities/git/skills.ts';
import { createTools } from '../../activities/tools/index.ts';
import { machineOf } from '../machine.ts';
import type { RoleConfig, Store } from './deps.ts';
import { modelPrice } from './model-price.ts';
import { sandboxDrivers } from './sandboxes.ts';
import { startNeedsOf } from './start-needs.ts';
import { createTrees } from './trees.ts';
import type { Ways } from './ways.ts';
import { webhookSender } from './webhook-sender.ts';

export interface Opened {
  ways: Ways;
  store: Store;
  stops: Stops;
  executor: ActivityDeps['executor'];
  background: Background;
  sandboxes: RunSandboxes;
  logger: Logger;
}

export function activityDeps(config: RoleConfig, opened: Opened): ActivityDeps {
  const { store, stops, executor, background, sandboxes, logger } = opened;
  const { runs, rewinds, occurrences, dispatchers } = opened.ways;
  const llms = createLlms(config);
  const tools = createTools({ background, egress: publicEgress });
  const redact = (text: string): string => store.log.redact(text);
  // Only for their descriptions: this run may go to another worker.
  const drivers = sandboxDrivers(config);
  const { disk: _disk, ...needs } = startNeedsOf({ config, llms, tools, drivers, redact });
  const trees = createTrees(config.dataFolder, machineOf(config));
  return {
    log: store.log,
    contents: store.contents,
    redactor: store.redactor,
    logger,
    executor,
    machine: machineOf(config),
    llms,
    llmsWith: keyedLlms(config),
    modelConfigOf: createModelConfigs(store.database.db),
    price: modelPrice(config),
    windowOf: needs.windowOf,
    projectText: async (project, most) =>
      config.projectText === 'on' ? readProjectText(project, most) : undefined,
    tools,
    skills: createSkills(path.join(config.dataFolder, 'skills')),
    profileOf: createProfiles(),
    stops,
    approvalSeconds: config.approvalSeconds,
    openSandbox: ({ mayUse, ...run }) => sandboxes.lend(run, mayUse),
    withFiles,
    waysOut: createWaysOut({ folder: path.join(config.dataFolder, 'out'), egress: publicEgress }),
    egress: publicEgress,
    webhooks: webhookSender(config),
    place: trees.place,
    trees,
    killHandle: sandboxes.kill,
    hasBackground: (runId) => background.runIds().includes(runId),
    endBackground: background.endRun,
    async leaveRun(runId) {
      await background.endRun(runId);
      await sandboxes.endRun(runId);
    },
    cancelWorkflow: runs.cancel,
    startRun: runs.started,
    startRewind: rewinds.started,
    wakeRun: runs.wake,
    schedules: {
      needs,
      retention: config.retention,
      started: occurrences.started,
      wake: occurrences.wake,
    },
    wakeDispatcher: dispatchers.wake,
  };
}

/** Made when a key is first used: each has connections and circuit breakers of its own. */
function keyedLlms(config: RoleConfig): ActivityDeps['llmsWith'] {
  const made = new Map<string, ReturnType<typeof createLlms>>();
  return (name) => {
    const known = made.get(name);
    if (known) return known;
    const key = Object.hasOwn(config.modelKeys, name) ? config.modelKeys[name] : undefined;
    if (key === undefined) return undefined;
    const keys = { openaiApiKey: key, anthropicApiKey: key, googleApiKey: key, compatibleApiKey: key };
    const llms = createLlms({ ...config, ...keys });
    made.set(name, llms);
    return llms;
  };
}
