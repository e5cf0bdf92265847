// The HTTP API as a value: built here, listening elsewhere. Schemas check what comes in; what goes out is built by
// `toXView` functions and written as it is, so that an event of a newer version is passed on instead of refused.
import fastifyStatic from '@fastify/static';
import fastify, { type FastifyInstance, LogController } from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { ApiDeps } from './deps.ts';
import { createEventStreams } from './stream/event-stream.ts';
import { createHub } from './stream/hub.ts';
import type { Api, Parts, Routes } from './parts.ts';
import { authenticate } from './plugins/auth.ts';
import { answerErrors, createErrorAnswers } from './plugins/errors.ts';
import { answerBrokenRequests } from './plugins/broken-requests.ts';
import { createMutate } from './plugins/idempotency.ts';
import { parseJsonBodies } from './plugins/json-body.ts';
import { describeApi } from './plugins/openapi.ts';
import { echoRequestIds, requestIdOf } from './plugins/request-id.ts';
import { logRequests } from './plugins/request-log.ts';
import { addSecurityHeaders } from './plugins/security-headers.ts';
import { drainOnClose } from './plugins/shutting-down.ts';
import { refuseOtherMethods } from './plugins/wrong-method.ts';
import { allowanceRoutes } from './routes/allowances.ts';
import { auditRoutes } from './routes/audit.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { callRoutes } from './routes/calls.ts';
import { contentRoutes } from './routes/contents.ts';
import { conversationRoutes } from './routes/conversations.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { embeddedRoutes } from './routes/embedded.ts';
import { healthRoutes } from './routes/health.ts';
import { modelRoutes } from './routes/models.ts';
import { pageRoutes } from './routes/page.ts';
import { policyRoutes } from './routes/policies.ts';
import { policyPlaceRoutes } from './routes/policy-places.ts';
import { policyCheckRoutes } from './routes/policy-checks.ts';
import { conversationEventRoutes, runEventRoutes } from './routes/events.ts';
import { retentionRoutes } from './routes/retention.ts';
import { runMessageRoutes } from './routes/run-messages.ts';
import { runRoutes } from './routes/runs.ts';
import { usageRoutes } from './routes/usage.ts';

export type { ApiDeps } from './deps.ts';

const prefix = '/api/v1';

const routes: Routes[] = [
  runRoutes,
  runMessageRoutes,
  runEventRoutes,
  callRoutes,
  approvalRoutes,
  policyRoutes,
  policyPlaceRoutes,
  auditRoutes,
  policyCheckRoutes,
  allowanceRoutes,
  usageRoutes,
  conversationRoutes,
  conversationEventRoutes,
  deadLetterRoutes,
  modelRoutes,
  contentRoutes,
  retentionRoutes,
];

// A body of 1 MiB over a slow line takes seconds; a sender that drips bytes would hold a connection for ever.
const requestMs = 30_000;
// Node's own limit, stated: names, tokens and cursors are far below, and more is refused with 431.
const headerBytes = 16 * 1024;

export async function buildApp(deps: ApiDeps): Promise<FastifyInstance> {
  const answerError = createErrorAnswers(deps.redact);
  const app = fastify({
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestIdOf,
    bodyLimit: deps.bodyLimitBytes,
    requestTimeout: requestMs,
    // Refused with a problem document by plugins/shutting-down.ts.
    return503OnClosing: false,
    http: { maxHeaderSize: headerBytes },
    clientErrorHandler: answerBrokenRequests,
    frameworkErrors: (error, request, reply) => void answerError(error, request, reply),
  }) as unknown as FastifyInstance;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (view) => JSON.stringify(view));

  const {
    log: { db },
    ...rest
  } = deps;
  const { tenantId, databaseUrl, logger } = deps;
  const hub = createHub({ db, databaseUrl, tenantId, logger });
  const streams = createEventStreams({ hub, db, tenantId, logger });
  const parts: Parts = { ...rest, db, streams, mutate: createMutate(deps) };

  answerErrors(app, answerError);
  echoRequestIds(app);
  addSecurityHeaders(app);
  logRequests(app);
  drainOnClose(app, () => streams.end());
  parseJsonBodies(app);
  await describeApi(app, deps.version);
  const refuseTheRest = refuseOtherMethods(app);
  await app.register(fastifyStatic, { root: deps.uiFolder, serve: false });
  pageRoutes(app);
  await app.register(async (scope) => healthRoutes(scope.withTypeProvider<ZodTypeProvider>(), parts), {
    prefix,
  });
  await app.register(
    async (scope) => {
      authenticate(scope, { db, tenantId });
      const api: Api = scope.withTypeProvider<ZodTypeProvider>();
      for (const add of routes) add(api, parts);
      if (deps.embedded) embeddedRoutes(api, parts, deps.embedded);
    },
    { prefix },
  );
  refuseTheRest();

  app.addHook('onClose', async () => {
    streams.close();
    await hub.close();
  });
  await app.ready();
  return app;
}
