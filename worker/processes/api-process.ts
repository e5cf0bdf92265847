// The API role: builds the app from the configuration, listens, sweeps and reconciles, and drains on a stop.
import { hostname } from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { createLlms, defaultModel } from '../../activities/llm/index.ts';
import type { Llm } from '../../activities/llm/llm.ts';
import { bookUnanswered } from '../../activities/step/use.ts';
import { listBackups } from '../../activities/store/db/backup-folder.ts';
import { defaultTenant } from '../../activities/store/db/database.ts';
import type { Book } from '../../activities/store/lifecycle/stuck-run.ts';
import { seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import { seedSchedules } from '../../activities/store/schedules/schedules.ts';
import type { EventLog } from '../../activities/store/log/events.ts';
import { sweepsOf } from '../../activities/store/retention/sweeps.ts';
import { ensureBuiltIns } from '../../activities/store/policies/policies.ts';
import { presetProblem } from '../../activities/step/preset-problem.ts';
import { ensureModes } from '../../activities/store/presets/presets.ts';
import { createProfiles } from '../../activities/store/policies/policy-scopes.ts';
import { ensureFirstToken } from '../../activities/store/access/data-folder-token.ts';
import { plannedChange } from '../../activities/call/planned-change.ts';
import { describeCall, reviewContextOf, reviewEdit } from '../../activities/call/review.ts';
import { toolsOf } from '../../activities/call/tools-of.ts';
import { createBackground } from '../../activities/tools/background.ts';
import { publicEgress } from '../../activities/egress/egress.ts';
import { createTools } from '../../activities/tools/index.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { type ApiDeps, buildApp } from '../../api/app.ts';
import type { TemporalUi } from '../../api/deps.ts';
import { createFeedChore } from '../../api/upkeep/feed-chore.ts';
import { createManifestChore } from '../../api/upkeep/manifest-chore.ts';
import { createContentsChore } from '../../api/upkeep/contents-chore.ts';
import { createStateChore } from '../../api/upkeep/state-chore.ts';
import { createJobChore } from '../../api/upkeep/job-chore.ts';
import { createPruneChore } from '../../api/upkeep/prune-chore.ts';
import { createReconciler } from '../../api/upkeep/reconciler.ts';
import { upkeepOf } from '../../api/upkeep/kinds.ts';
import { createSweeper } from '../../api/upkeep/sweeper.ts';
import { createTimers, type Timers } from '../../api/upkeep/timers.ts';
import type { Loop } from '../../api/upkeep/upkeep.ts';
import { createTitleChore } from '../../api/upkeep/title-chore.ts';
import { createWakeUpChore } from '../../api/upkeep/wake-up-chore.ts';
import type { ModelListView } from '../../workflows/contracts/system.ts';
import { knownSecrets } from '../config/config.ts';
import { backupFolder } from '../data-folder.ts';
import { backupJobs } from './backup-jobs.ts';
import { openStore, type RoleConfig, type Store } from './deps.ts';
import { embeddedDeps } from './embedded.ts';
import { createFolderSweeps } from './folder-sweeps.ts';
import { keptKey } from './kept-key.ts';
import { createManifest } from './manifest.ts';
import { modelPrice } from './model-price.ts';
import { sandboxDrivers, filesOfRuns, sandboxViews } from './sandboxes.ts';
import { startNeedsOf } from './start-needs.ts';
import { openClient } from './temporal-client.ts';
import { createTrees } from './trees.ts';
import { type Ways, waysTo } from './ways.ts';
import { webhookSender } from './webhook-sender.ts';
import { tokenFileOf } from '../token-file.ts';
import { version } from '../version.ts';

// Enough for the requests of one process; its readers hold none.
const connections = 16;
// What the health check waits for an answer of Temporal.
const temporalProbeMs = 2000;

export interface RunningApi {
  url: string;
  /** Refuses new requests, drains, closes streams, then everything it stands on. */
  stop(): Promise<void>;
}

export async function startApiProcess(config: RoleConfig, logger: Logger): Promise<RunningApi> {
  const store = openStore({
    ...config,
    secrets: knownSecrets(config),
    name: 'perdure-api',
    connections,
    logger,
  });
  await prepareTenant(store.log, config.dataFolder, logger);
  const client = openClient(config);
  const timers = createTimers({ db: store.database.db, client, logger });
  const ways = { ...waysTo(client, logger), timers };
  const llms = createLlms(config);
  // Only for their descriptions: nothing is run here.
  const tools = createTools({ background: createBackground(), egress: publicEgress });
  const profileOf = createProfiles();
  const price = modelPrice(config);
  const drivers = sandboxDrivers(config);
  const files = filesOfRuns(config.dataFolder);
  const trees = createTrees(config.dataFolder);
  const embedded = await embeddedDeps(config.dataFolder);
  const sweeps = sweepsOf(store.contents, createFolderSweeps(config.dataFolder));
  const redact = (text: string): string => store.log.redact(text);
  const { disk, ...needs } = startNeedsOf({ config, llms, tools, drivers, redact });
  const deps: ApiDeps = {
    ...needs,
    log: store.log,
    pool: store.database.pool,
    databaseUrl: config.databaseUrl,
    tenantId: defaultTenant,
    logger,
    bodyLimitBytes: config.bodyLimitBytes,
    version,
    models: () => toModelList(llms, config.defaultModel),
    ...ways,
    readManifest: createManifest(config.schedulesFile),
    sandboxes: sandboxViews(drivers).sandboxes,
    backups: () => listBackups(backupFolder(config.dataFolder), new Date()),
    ...{ modelKeys: Object.keys(config.modelKeys), networks: config.networks },
    presetProblem: (preset) => presetProblem(preset, tools),
    async reviewEdit(queries, run, call, input) {
      const context = await reviewContextOf({ tools, db: queries, profileOf, place: trees.place }, run);
      const edited = reviewEdit(context, call, input);
      if ('problem' in edited) throw new Failure('EditRefused', edited.problem);
      return edited;
    },
    plannedChange: (queries, run, call) =>
      plannedChange({ ...files, tools, profileOf, place: trees.place, db: queries }, run, call),
    // Without a run: only for built-in tools.
    ...trees.views,
    describeCall: (call) => describeCall(toolsOf({ tools }, { external_tools: [], preset: null }), call),
    keepContent: (queries, ...kept) => store.contents.put(...kept, queries),
    content: (tenantId, key) => store.contents.get(tenantId, key),
    takeContent: store.contents.take,
    diskRoom: disk.look,
    temporalHealth: () => probe(client),
    ...(store.bucket && { bucketHealth: store.bucket.ask }),
    ...(embedded && { embedded }),
    hostNames: [hostname(), config.host, ...(config.hostNames?.split(',') ?? [])],
    temporalUi: temporalUiOf(config),
    loginKey: keptKey(path.join(config.dataFolder, 'login-key')),
    uiFolder: path.join(import.meta.dirname, '../..', 'api', 'ui'),
    ...{ retention: config.retention, sweeps },
    webhookSender: webhookSender(config),
    learnSecret: store.redactor.learn,
  };
  const app = await buildApp(deps);
  const loops = loopsOf({ ...config, ...deps, contents: store.contents }, llms, ways, (write, run) =>
    bookUnanswered({ price }, write, run),
  );
  const url = await app.listen({ host: config.host, port: config.port });
  return {
    url,
    async stop() {
      await app.close();
      await Promise.all(loops.map((loop) => loop.close()));
      await Promise.all(Object.values(ways).map((way) => way.settled()));
      await client.connection.close();
      await store.close();
    },
  };
}

async function probe(client: Client): Promise<void> {
  await client.connection.withDeadline(Date.now() + temporalProbeMs, () =>
    client.workflowService.getSystemInfo({}),
  );
}

/** What every tenant has from the first start on. */
async function prepareTenant(log: EventLog, dataFolder: string, logger: Logger): Promise<void> {
  const { db } = log;
  await ensureBuiltIns(db, defaultTenant);
  await ensureModes(db, defaultTenant);
  await seedTenantAllowance(db, defaultTenant);
  await seedSchedules(log, defaultTenant);
  const tokenFile = tokenFileOf(dataFolder);
  await ensureFirstToken(db, defaultTenant, (value) => tokenFile.write(value));
  // Under a supervisor it was made anew. Alone, this may be one API of several, and another may have the file.
  if ((await tokenFile.read()) === undefined)
    logger.warn('there is no token in the data folder: `perdure tokens remake` makes one');
}

function temporalUiOf(config: RoleConfig): TemporalUi {
  const { temporalUi, temporalUiUpstream: upstream, temporalUiLink: link } = config;
  if (temporalUi === 'off')
    return { problem: "Temporal's Web UI is off: PERDURE_TEMPORAL_UI=on shows it here." };
  if (upstream !== undefined) return { upstream, namespace: config.temporalNamespace };
  const problem = "This server's Temporal is not its own, and its Web UI is not shown here";
  if (link !== undefined) return { problem: `${problem}: it is at ${link}.` };
  return { problem: `${problem}: set PERDURE_TEMPORAL_UI_UPSTREAM to where it is.` };
}

type TemporalWays = Ways & { timers: Timers };

/** What repairs, and prunes at night. */
function loopsOf(
  parts: ApiDeps &
    Pick<RoleConfig, 'schedulesFile' | 'titles' | 'keepState' | 'dataFolder' | 'executorPatienceSeconds'> &
    Pick<Store, 'contents'>,
  llms: Llm[],
  ways: TemporalWays,
  book: Book,
): Loop[] {
  const { log, logger, sweeps, tenantId, contents, executorPatienceSeconds } = parts;
  const kinds = upkeepOf({ log, logger, book, executorPatienceSeconds, ...ways });
  const upkeep = { db: log.db, kinds, logger };
  const waking = createWakeUpChore({ parts, logger });
  const feeding = createFeedChore({ log, tenantId });
  const titling =
    parts.titles === 'on' ? [createTitleChore({ parts, scripted: scriptedOf(llms), logger })] : [];
  const pruning = createPruneChore({ log, sweeps, logger });
  const keeping = parts.keepState === 'on' ? [createStateChore({ db: log.db, contents, logger })] : [];
  const checking = createContentsChore({ db: log.db, contents, logger });
  const jobs = backupJobs(parts.dataFolder, parts.databaseUrl);
  const working = createJobChore({ log, jobs, wake: ways.occurrences.wake, logger });
  const reading = parts.schedulesFile !== undefined ? [createManifestChore({ parts, tenantId, logger })] : [];
  return [
    createSweeper({
      ...upkeep,
      chores: [waking, feeding, ...titling, ...reading, checking, ...keeping, pruning, working],
    }),
    createReconciler(upkeep),
  ];
}

function scriptedOf(llms: Llm[]): string[] {
  return llms.flatMap(({ provider, scripted }) => (scripted ? [provider] : []));
}

function toModelList(llms: Llm[], configured: string | undefined): ModelListView {
  const chosen = defaultModel(llms, configured);
  return {
    default: chosen,
    items: llms.map((llm) => ({
      provider: llm.provider,
      configured: llm.missing === undefined,
      missing: llm.missing ?? null,
      scripted: llm.scripted,
      models: llm.models.map((model) => `${llm.provider}/${model}`),
      profile: llm.profile ?? null,
      default: chosen.startsWith(`${llm.provider}/`) ? chosen : null,
    })),
  };
}
