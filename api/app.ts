// The HTTP API as a value: built here, listening elsewhere. Schemas check what comes in; what goes out is built by
// `toXView` functions and written as it is, so that an event of a newer version is passed on instead of refused.
import fastifyStatic from '@fastify/static';
import fastify, { type FastifyInstance, LogController } from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { createListener, type Listener } from '../activities/store/log/listener.ts';
import { eventsChannel, tokensChannel } from '../activities/store/log/notifier.ts';
import type { ApiDeps } from './deps.ts';
import { createKnownTokens, type KnownTokens } from './known-tokens.ts';
import { createEventStreams, type EventStreams } from './stream/event-stream.ts';
import { createFeeder, type Feeder } from './stream/feeder.ts';
import { createHub, type Hub } from './stream/hub.ts';
import { createRunWaits } from './stream/run-waits.ts';
import { createHookWaker, type HookWaker } from './upkeep/hook-waker.ts';
import type { Api, Parts, Routes } from './parts.ts';
import { authenticate } from './plugins/auth.ts';
import { answerErrors, createErrorAnswers } from './plugins/errors.ts';
import { answerBrokenRequests } from './plugins/broken-requests.ts';
import { createMutate, inTurn } from './plugins/idempotency.ts';
import { parseJsonBodies } from './plugins/json-body.ts';
import { refuseUnknownHosts } from './plugins/known-host.ts';
import { describeApi } from './plugins/openapi.ts';
import { echoRequestIds, requestIdOf } from './plugins/request-id.ts';
import { logRequests } from './plugins/request-log.ts';
import { addSecurityHeaders } from './plugins/security-headers.ts';
import { drainOnClose } from './plugins/shutting-down.ts';
import { createTemporalLogins } from './plugins/temporal-login.ts';
import { type MethodsOf, refuseOtherMethods } from './plugins/wrong-method.ts';
import { allowanceRoutes } from './routes/allowances.ts';
import { auditRoutes } from './routes/audit.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { backupRoutes } from './routes/backups.ts';
import { callRoutes } from './routes/calls.ts';
import { checkpointRoutes } from './routes/checkpoints.ts';
import { contentRoutes } from './routes/contents.ts';
import { contextRoutes } from './routes/context.ts';
import { conversationMessageRoutes } from './routes/conversation-messages.ts';
import { conversationRoutes } from './routes/conversations.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { deliveryRoutes } from './routes/deliveries.ts';
import { embeddedRoutes } from './routes/embedded.ts';
import { executorRoutes } from './routes/executors.ts';
import { findRoutes } from './routes/find.ts';
import { healthRoutes } from './routes/health.ts';
import { memoryRoutes } from './routes/memory.ts';
import { mailboxRoutes } from './routes/mailbox.ts';
import { messageRoutes } from './routes/messages.ts';
import { modelConfigRoutes } from './routes/model-configs.ts';
import { modelRoutes } from './routes/models.ts';
import { pageRoutes } from './routes/page.ts';
import { policyRoutes } from './routes/policies.ts';
import { policyPlaceRoutes } from './routes/policy-places.ts';
import { policyCheckRoutes } from './routes/policy-checks.ts';
import {
  conversationEventRoutes,
  runEventRoutes,
  taskEventRoutes,
  tenantEventRoutes,
} from './routes/events.ts';
import { presetFileRoutes } from './routes/preset-files.ts';
import { presetRoutes } from './routes/presets.ts';
import { retentionRoutes } from './routes/retention.ts';
import { runMessageRoutes } from './routes/run-messages.ts';
import { runRoutes } from './routes/runs.ts';
import { schedulePreviewRoutes } from './routes/schedule-preview.ts';
import { scheduleRoutes } from './routes/schedules.ts';
import { sandboxRoutes } from './routes/sandboxes.ts';
import { scheduleSyncRoutes } from './routes/schedule-sync.ts';
import { taskRoutes } from './routes/tasks.ts';
import { taskWorkRoutes } from './routes/task-work.ts';
import { temporalTextRoutes } from './routes/temporal-text.ts';
import { temporalLoginRoutes, temporalUiRoutes } from './routes/temporal-ui.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { usageRoutes } from './routes/usage.ts';
import { waitRoutes } from './routes/waiting.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { workspaceRoutes } from './routes/workspaces.ts';

export type { ApiDeps } from './deps.ts';

const prefix = '/api/v1';

const routes: Routes[] = [
  runRoutes,
  findRoutes,
  runMessageRoutes,
  waitRoutes,
  messageRoutes,
  memoryRoutes,
  runEventRoutes,
  callRoutes,
  checkpointRoutes,
  contextRoutes,
  approvalRoutes,
  presetRoutes,
  presetFileRoutes,
  workspaceRoutes,
  policyRoutes,
  policyPlaceRoutes,
  auditRoutes,
  policyCheckRoutes,
  allowanceRoutes,
  usageRoutes,
  conversationRoutes,
  conversationMessageRoutes,
  mailboxRoutes,
  conversationEventRoutes,
  deadLetterRoutes,
  modelRoutes,
  modelConfigRoutes,
  sandboxRoutes,
  backupRoutes,
  contentRoutes,
  tokenRoutes,
  retentionRoutes,
  scheduleRoutes,
  schedulePreviewRoutes,
  scheduleSyncRoutes,
  taskRoutes,
  taskWorkRoutes,
  taskEventRoutes,
  tenantEventRoutes,
  executorRoutes,
  webhookRoutes,
  deliveryRoutes,
];

// A body of 1 MiB over a slow line takes seconds; a sender that drips bytes would hold a connection for ever.
const requestMs = 30_000;
// Node's own limit, stated: names, tokens and cursors are far below, and more is refused with 431.
const headerBytes = 16 * 1024;

// Postgres writes its log in pieces of 16 MiB: with less than one it stops, and cannot start.
const fullBytes = 16 * 1_048_576;

/** Unlike a disk on which there is no room for new work, one that explains why Postgres does not answer. */
function fullDisk({ diskRoom, diskProblem }: ApiDeps): string | undefined {
  const room = diskRoom();
  return room && (room.freeBytes < fullBytes || !room.entriesLeft) ? diskProblem() : undefined;
}

export async function buildApp(deps: ApiDeps): Promise<FastifyInstance> {
  const answerError = createErrorAnswers(deps.redact, () => fullDisk(deps));
  let methodsOf: MethodsOf = () => undefined;
  const app = fastify({
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestIdOf,
    bodyLimit: deps.bodyLimitBytes,
    requestTimeout: requestMs,
    // Refused with a problem document by plugins/shutting-down.ts.
    return503OnClosing: false,
    http: { maxHeaderSize: headerBytes },
    clientErrorHandler: (error, socket) => answerBrokenRequests(error, socket, (path) => methodsOf(path)),
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
  }) as unknown as FastifyInstance;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (view) => JSON.stringify(view));

  const {
    log: { db },
    ...rest
  } = deps;
  const { tenantId, logger } = deps;
  const tokens = createKnownTokens({ db, tenantId, logger });
  const hub = createHub({ db, tenantId, logger });
  const streams = createEventStreams({ hub, tokens, logger });
  const feeder = createFeeder(deps);
  const waker = createHookWaker({ ...deps, db });
  const listener = hearNotices(deps, { tokens, hub, streams, feeder, waker });
  const waits = createRunWaits({ db, hub, tokens });
  const mutate = createMutate(deps);
  const parts: Parts = { ...rest, db, tokens, streams, waits, mutate, mutateTasks: inTurn(mutate) };

  const logins = createTemporalLogins({ tokens, loginKey: deps.loginKey });

  answerErrors(app, answerError);
  echoRequestIds(app);
  addSecurityHeaders(app);
  refuseUnknownHosts(app, deps.hostNames);
  logRequests(app);
  drainOnClose(app, () => {
    streams.end();
    waits.endAll();
  });
  parseJsonBodies(app);
  methodsOf = refuseOtherMethods(app);
  await describeApi(app, deps.version);
  await app.register(fastifyStatic, { root: deps.uiFolder, serve: false });
  pageRoutes(app);
  await app.register(async (scope) => healthRoutes(scope.withTypeProvider<ZodTypeProvider>(), parts), {
    prefix,
  });
  await app.register(
    async (scope) => {
      authenticate(scope, tokens);
      const api: Api = scope.withTypeProvider<ZodTypeProvider>();
      for (const add of routes) add(api, parts);
      temporalLoginRoutes(api, parts, logins);
      if (deps.embedded) embeddedRoutes(api, parts, deps.embedded);
    },
    { prefix },
  );
  temporalTextRoutes(app, parts);
  await app.register((scope) => temporalUiRoutes(scope, parts, logins));

  app.addHook('onClose', async () => {
    streams.close();
    hub.close();
    await listener.close();
    await feeder.close();
    await waker.close();
    await tokens.close();
  });
  await app.ready();
  return app;
}

interface Hearing {
  tokens: KnownTokens;
  hub: Hub;
  streams: EventStreams;
  feeder: Feeder;
  waker: HookWaker;
}

/** On the one connection of this process that listens. */
function hearNotices(
  { databaseUrl, logger }: ApiDeps,
  { tokens, hub, streams, feeder, waker }: Hearing,
): Listener {
  let wasConnected = false;

  function revoked(tokenId?: string): void {
    tokens.forget(tokenId);
    void streams.endRevoked();
  }
  function grown(payload: string): void {
    hub.hear(payload);
    feeder.hear(payload);
    waker.hear(payload);
  }
  return createListener({
    databaseUrl,
    channels: { [eventsChannel]: grown, [tokensChannel]: revoked },
    name: 'perdure-api-listen',
    logger,
    // What was sent while the connection was away is lost. What is remembered from before the first connect is only just
    // looked up, and forgotten soon.
    onConnect() {
      void hub.sweep();
      feeder.feed();
      if (wasConnected) revoked();
      wasConnected = true;
    },
  });
}
