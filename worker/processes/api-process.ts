// The API role: builds the app from the configuration, listens, sweeps and reconciles, and drains on a stop.
import { realpath, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import type { Logger } from 'pino';
import { createDisk } from '../../activities/host/disk.ts';
import { createLlms, defaultModel, findLlm } from '../../activities/llm/index.ts';
import type { Llm } from '../../activities/llm/llm.ts';
import { bookUnanswered } from '../../activities/step/use.ts';
import { type Db, defaultTenant } from '../../activities/store/db/database.ts';
import type { Book } from '../../activities/store/lifecycle/stuck-run.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import { sweepsOf } from '../../activities/store/retention/sweeps.ts';
import { ensureBuiltIns } from '../../activities/store/policies/policies.ts';
import { createProfiles } from '../../activities/store/policies/policy-scopes.ts';
import { ensureFirstToken } from '../../activities/store/access/data-folder-token.ts';
import { externalToolsProblem } from '../../activities/call/external.ts';
import { plannedChange } from '../../activities/call/planned-change.ts';
import { describeCall, reviewContextOf, reviewEdit } from '../../activities/call/review.ts';
import { toolsOf } from '../../activities/call/tools-of.ts';
import { createBackground } from '../../activities/tools/background.ts';
import { publicEgress } from '../../activities/tools/fetch.ts';
import { createTools } from '../../activities/tools/index.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { type ApiDeps, buildApp } from '../../api/app.ts';
import type { TemporalUi } from '../../api/deps.ts';
import { createPruneChore } from '../../api/upkeep/prune-chore.ts';
import { createReconciler } from '../../api/upkeep/reconciler.ts';
import { createExecutions, type Executions } from '../../api/upkeep/executions.ts';
import { upkeepOf } from '../../api/upkeep/kinds.ts';
import { runKind } from '../../api/upkeep/run-kind.ts';
import { createSweeper } from '../../api/upkeep/sweeper.ts';
import type { Loop } from '../../api/upkeep/upkeep.ts';
import type { ModelListView } from '../../workflows/contracts/system.ts';
import { knownSecrets } from '../config/config.ts';
import { diskFolders } from '../data-folder.ts';
import { openStore, type RoleConfig } from './deps.ts';
import { embeddedDeps } from './embedded.ts';
import { createFolderSweeps } from './folder-sweeps.ts';
import { keptKey } from './kept-key.ts';
import { modelPrice } from './model-price.ts';
import { sandboxDrivers, sandboxViews } from './sandboxes.ts';
import { openClient } from './temporal-client.ts';
import { createTrees } from './trees.ts';
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
  await prepareTenant(store.database.db, config.dataFolder, logger);
  const client = openClient(config);
  const runs = createExecutions(runKind, client, logger);
  const llms = createLlms(config);
  // Only for their descriptions: nothing is run here.
  const background = createBackground();
  const tools = createTools({ background, egress: publicEgress });
  const profileOf = createProfiles();
  const price = modelPrice(config);
  // Only for their descriptions: nothing is run here.
  const drivers = sandboxDrivers(config);
  const disk = createDisk(diskFolders(config.dataFolder), config.minFreeBytes);
  const embedded = await embeddedDeps(config.dataFolder);
  const sweeps = sweepsOf(store.contents, createFolderSweeps(config.dataFolder));
  const deps: ApiDeps = {
    log: store.log,
    pool: store.database.pool,
    databaseUrl: config.databaseUrl,
    redact: (text) => store.log.redact(text),
    tenantId: defaultTenant,
    logger,
    bodyLimitBytes: config.bodyLimitBytes,
    version,
    defaultModel: () => defaultModel(llms, config.defaultModel),
    models: () => toModelList(llms, config.defaultModel),
    hasModel: (name) => findLlm(llms, name) !== undefined,
    runs,
    realPath: realDirectory,
    ...sandboxViews(drivers),
    externalToolsProblem: (external) => externalToolsProblem(external, tools),
    async reviewEdit(queries, run, call, input) {
      const context = await reviewContextOf({ tools, db: queries, profileOf }, run);
      const edited = reviewEdit(context, call, input);
      if ('problem' in edited) throw new Failure('EditRefused', edited.problem);
      return edited;
    },
    plannedChange: (queries, run, call) =>
      plannedChange({ tools, profileOf, drivers, db: queries }, run, call),
    // Without a run: only for built-in tools.
    describeCall: (call) => describeCall(toolsOf({ tools }, { external_tools: [] }), call),
    diff: createTrees(config.dataFolder).diff,
    keepContent: (queries, ...kept) => store.contents.put(...kept, queries),
    content: (tenantId, key) => store.contents.get(tenantId, key),
    diskRoom: disk.look,
    diskProblem: disk.problem,
    async temporalHealth() {
      await client.connection.withDeadline(Date.now() + temporalProbeMs, () =>
        client.workflowService.getSystemInfo({}),
      );
    },
    ...(embedded && { embedded }),
    hostNames: [hostname(), config.host, ...(config.hostNames?.split(',') ?? [])],
    temporalUi: temporalUiOf(config),
    loginKey: keptKey(path.join(config.dataFolder, 'login-key')),
    uiFolder: path.join(import.meta.dirname, '../..', 'api', 'ui'),
    retention: config.retention,
    sweeps,
  };
  const app = await buildApp(deps);
  const loops = loopsOf(deps, runs, (write, run) => bookUnanswered({ price }, write, run));
  const url = await app.listen({ host: config.host, port: config.port });
  return {
    url,
    async stop() {
      await app.close();
      await Promise.all(loops.map((loop) => loop.close()));
      await runs.settled();
      await client.connection.close();
      await store.close();
    },
  };
}

/** What every tenant has from the first start on. */
async function prepareTenant(db: Db, dataFolder: string, logger: Logger): Promise<void> {
  await ensureBuiltIns(db, defaultTenant);
  await seedTenantAllowance(db, defaultTenant);
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

/** What repairs, and prunes at night. */
function loopsOf(parts: ApiDeps, runs: Executions<RunRow>, book: Book): Loop[] {
  const { log, logger, sweeps, tenantId } = parts;
  const upkeep = { db: log.db, kinds: upkeepOf({ log, runs, logger, book }), logger };
  const pruning = createPruneChore({ parts, sweeps, tenantId, logger });
  return [createSweeper({ ...upkeep, chores: [pruning] }), createReconciler(upkeep)];
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

async function realDirectory(folder: string): Promise<string> {
  const real = await realpath(folder).catch(() => undefined);
  const found = real !== undefined && (await stat(real).catch(() => undefined));
  if (found && found.isDirectory()) return real;
  throw new Failure('InvalidInput', `There is no directory ${folder} on the machine of the server.`, {
    fields: [{ path: 'project.path', problem: 'must be a directory on the machine of the server' }],
  });
}
