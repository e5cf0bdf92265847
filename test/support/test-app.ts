// The API over a database of its own, with a fake of what Temporal does: it records what it was asked.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { onTestFinished } from 'vitest';
import { seedTenantAllowance } from '../../activities/store/allowances/change-limits.ts';
import { describeCall } from '../../activities/call/review.ts';
import { toolsOf } from '../../activities/call/tools-of.ts';
import { type Database, type Db, defaultTenant, openDatabase } from '../../activities/store/db/database.ts';
import { createContents } from '../../activities/store/log/contents.ts';
import { usualRetention } from '../../activities/store/retention/retention-table.ts';
import { sweepsOf } from '../../activities/store/retention/sweeps.ts';
import { createEventLog, type EventLog } from '../../activities/store/log/events.ts';
import { createNotifier } from '../../activities/store/log/notifier.ts';
import { presetProblem } from '../../activities/step/preset-problem.ts';
import { ensureModes } from '../../activities/store/presets/presets.ts';
import { ensureBuiltIns } from '../../activities/store/policies/policies.ts';
import { ensureFirstToken } from '../../activities/store/access/data-folder-token.ts';
import { createBackground } from '../../activities/tools/background.ts';
import { publicEgress } from '../../activities/egress/egress.ts';
import { createWebhookSender } from '../../activities/egress/send-webhook.ts';
import { createTools } from '../../activities/tools/index.ts';
import { type ApiDeps, buildApp } from '../../api/app.ts';
import { createManifest } from '../../worker/processes/manifest.ts';
import { openPatient } from './patient.ts';
import { createTestDatabase } from './postgres.ts';
import { noFolders } from './retention.ts';
import { startNeeds } from './start-needs.ts';

// Only for their descriptions of themselves.
const builtIn = createTools({
  background: createBackground(),
  egress: publicEgress,
});

export interface TestApp {
  app: FastifyInstance;
  /** What it is built from, which is what verbs take. */
  deps: ApiDeps;
  database: Database;
  log: EventLog;
  tenantId: string;
  token: string;
  /** Headers of a caller with a valid token. */
  auth: { authorization: string };
  /** What the workflows were told, in order: `started <run>`, `started <run> again`, `wake <run>`. */
  told: string[];
  /** Lines of the log, as objects. */
  lines: Record<string, unknown>[];
  /** A request of the caller with a valid token, with a JSON body when there is one. */
  ask(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** Listens on loopback; answers the URL in front of `/api/v1`. */
  listen(): Promise<string>;
}

export type Answer = Awaited<ReturnType<FastifyInstance['inject']>>;

export interface TestAppOptions extends Partial<ApiDeps> {
  /** Where the API finds Postgres, when that is not where the test does. */
  through?: (url: string) => string | Promise<string>;
}

/** As a first start of the API does; answers the token. */
async function prepareTenant(db: Db): Promise<string> {
  let token = '';
  await ensureFirstToken(db, defaultTenant, async (made) => {
    token = made;
  });
  await ensureBuiltIns(db, defaultTenant);
  await ensureModes(db, defaultTenant);
  await seedTenantAllowance(db, defaultTenant);
  return token;
}

const noDiff = { diff: '', files: [], truncated: false, others: [] };

/** What Temporal is told, as lines. */
function tellingOf(
  told: string[],
): Pick<ApiDeps, 'runs' | 'rewinds' | 'occurrences' | 'dispatchers' | 'webhooks' | 'timers'> {
  return {
    runs: {
      started: ({ id, generation }) =>
        void told.push(generation === 0 ? `started ${id}` : `started ${id} again`),
      wake: (runId) => void told.push(`wake ${runId}`),
    },
    rewinds: {
      started: ({ id }) => void told.push(`rewind started ${id}`),
      wake: (id) => void told.push(`rewind wake ${id}`),
    },
    occurrences: {
      started: ({ id }) => void told.push(`started ${id}`),
      wake: (id) => void told.push(`wake ${id}`),
    },
    dispatchers: {
      started: () => void told.push('dispatcher started'),
      wake: () => void told.push('dispatcher wake'),
    },
    webhooks: {
      started: ({ id }) => void told.push(`webhook started ${id}`),
      wake: (id) => void told.push(`webhook wake ${id}`),
    },
    timers: { tell: ({ id }) => void told.push(`timer ${id}`) },
  };
}
const ofTools: Pick<ApiDeps, 'describeCall' | 'presetProblem'> = {
  describeCall: (call) =>
    describeCall(toolsOf({ tools: builtIn }, { external_tools: [], preset: null }), call),
  presetProblem: (preset) => presetProblem(preset, builtIn),
};

/** Where Postgres may go away, it is missed as soon as by the product. */
const openFor = ({ through }: TestAppOptions) => (through === undefined ? openPatient : openDatabase);

/** Closes by itself at the end of the test. */
export async function createTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const { through = (url: string) => url, ...changed } = options;
  const { url: direct } = await createTestDatabase();
  const url = await through(direct);
  const database = openFor(options)({ url, connections: 10, name: 'test-app' });
  const notifier = createNotifier(database.pool, () => {});
  const redact = changed.redact ?? ((text: string) => text);
  const log = createEventLog({ db: database.db, notifier, redact });
  const token = await prepareTenant(database.db);
  const told: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const uiFolder = await mkdtemp(path.join(tmpdir(), 'perdure-page-'));
  await writeFile(path.join(uiFolder, 'index.html'), '<!doctype html><title>Perdure</title>');
  const contents = createContents(database.db, path.join(uiFolder, 'contents'));
  const deps: ApiDeps = {
    ...startNeeds,
    log,
    pool: database.pool,
    databaseUrl: url,
    redact,
    tenantId: defaultTenant,
    logger: pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) }),
    bodyLimitBytes: 1024 * 1024,
    version: '0.0.0-test',
    sandboxes: async () => [await startNeeds.sandbox('mount')],
    backups: async () => ({ items: [], problem: null }),
    models: () => ({ items: [], default: 'scripted/hello' }),
    ...tellingOf(told),
    readManifest: createManifest(undefined),
    reviewEdit: async (_queries, _run, call, input) => ({
      input,
      inputHash: 'edited',
      subject: 'edited',
      timeoutSeconds: call.timeout_seconds,
    }),
    plannedChange: async () => null,
    ...{ modelKeys: ['team-a'], networks: { packages: ['packages.example.org', '*.files.example.org'] } },
    ...ofTools,
    diffOf: async (run) => ({ ...noDiff, runId: run.id }),
    diff: async (run) => ({ ...noDiff, runId: run.id }),
    keepContent: async () => 'kept',
    content: async () => undefined,
    takeContent: contents.take,
    diskRoom: () => undefined,
    temporalHealth: async () => {},
    hostNames: [],
    temporalUi: { problem: 'There is no Web UI in this test.' },
    loginKey: 'only for tests',
    uiFolder,
    retention: usualRetention,
    sweeps: sweepsOf(contents, noFolders),
    webhookSender: createWebhookSender(publicEgress),
    learnSecret: () => {},
    ...changed,
  };
  const app = await buildApp(deps);
  onTestFinished(async () => {
    await app.close();
    await notifier.close();
    await database.close();
    await rm(uiFolder, { recursive: true });
  });
  const auth = { authorization: `Bearer ${token}` };
  const of = { tenantId: defaultTenant, token, auth, told, lines };
  return {
    app,
    deps,
    database,
    log,
    ...of,
    ask: (method, path, body, headers) =>
      app.inject({
        method,
        url: `/api/v1${path}`,
        headers: { ...auth, ...headers },
        ...(body && { payload: body }),
      }),
    listen: async () => app.listen({ host: '127.0.0.1', port: 0 }),
  };
}
