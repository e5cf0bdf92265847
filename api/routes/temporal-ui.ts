// Temporal's Web UI at /temporal. It has no login and answers any Host, so it listens where only this server finds it,
// and everything for it and from it passes here: login, origin, a list of headers each way, limits.
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { parseCookie, parseSetCookie, stringifyCookie, stringifySetCookie } from 'cookie';
import replyFrom from '@fastify/reply-from';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Agent } from 'undici';
import { z } from 'zod';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { Api, Parts } from '../parts.ts';
import { pathOf } from '../plugins/errors.ts';
import { refuseOtherOrigins, type TemporalLogins, temporalPath } from '../plugins/temporal-login.ts';
import { problems } from './problems.ts';

// It is on this machine or next to it; a connection that is not there by now is refused or lost.
const connectMs = 3_000;
// The page waits for a run's next event, and Temporal lets it wait for 20 s; a query of a workflow may take 10 s.
const answerMs = 60_000;
// A browser opens six to one server; these are for several people.
const connections = 32;

// By list, so that nothing else gets through: no Authorization, no login of ours, nothing that is of one connection.
const headersThere = ['accept', 'accept-language', 'caller-type', 'content-type', 'x-csrf-token'];
const headersBack = ['content-type', 'content-length', 'last-modified'];
// The one cookie of the Web UI: its scripts send it back as a header.
const csrfCookie = '_csrf';

const policy = (scripts: string): string =>
  [
    "default-src 'none'",
    `script-src 'self' ${scripts}`.trimEnd(),
    // Its components set styles on what they draw.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "media-src 'self'",
    "worker-src 'self' blob:",
    // The texts of a workflow: temporal-text.ts.
    "frame-src 'self'",
    // Whatever a run wrote and the page shows cannot be sent elsewhere.
    "connect-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/** In the API, for token holders. */
export function temporalLoginRoutes(api: Api, { temporalUi }: Parts, logins: TemporalLogins): void {
  api.post(
    '/temporal-login',
    {
      config: { example: { body: {} } },
      schema: {
        tags: ['system'],
        operationId: 'logInToTemporal',
        summary: "Log this browser in to Temporal's Web UI",
        description: 'Sets a cookie for /temporal that is valid for eight hours and as long as the token is.',
        body: z.strictObject({}).nullish(),
        response: { 204: z.undefined(), ...problems },
      },
    },
    async (request, reply) => {
      if ('problem' in temporalUi) throw new Failure('NotFound', temporalUi.problem);
      logins.begin(request, reply);
      return reply.code(204).send();
    },
  );
}

/** Beside the API: for a browser that has logged in. */
export async function temporalUiRoutes(
  app: FastifyInstance,
  { temporalUi }: Parts,
  logins: TemporalLogins,
): Promise<void> {
  app.addHook('onRequest', async (request, reply) => {
    if ('problem' in temporalUi) throw new Failure('NotFound', temporalUi.problem);
    refuseOtherOrigins(request);
    const tokenId = await logins.tokenOf(request);
    if (tokenId === undefined) return refuseStranger(request, reply);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      const { method, url } = request;
      request.log.info({ tokenId, method, path: pathOf(url) }, "a change by way of Temporal's Web UI");
    }
  });
  app.removeAllContentTypeParsers();
  // As it is: Temporal reads it. Bytes and not a stream, so that the limit of bodies holds here too.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  const upstream = 'upstream' in temporalUi ? temporalUi.upstream : undefined;
  const agent = new Agent({
    connections,
    connect: { timeout: connectMs },
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
  });
  // Before the requests under way are waited for: a page that waits for an event must not hold up a stop.
  app.addHook('preClose', () => agent.destroy());
  await app.register(replyFrom, {
    undici: agent,
    disableRequestLogging: true,
    ...(upstream !== undefined && { base: upstream }),
  });
  const schema = { hide: true };
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    proxy(request, reply);
  const method = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
  // By itself it opens the namespace `default`, where nothing of ours is.
  const namespace = 'upstream' in temporalUi ? encodeURIComponent(temporalUi.namespace) : '';
  for (const url of [temporalPath, `${temporalPath}/`])
    app.get(url, { schema }, async (_request, reply) =>
      reply.redirect(`${temporalPath}/namespaces/${namespace}/workflows`),
    );
  app.route({ method: [...method], url: `${temporalPath}/*`, schema, handler });
}

/** People are shown where to log in; scripts get the problem. */
async function refuseStranger(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (request.method === 'GET' && request.headers.accept?.includes('text/html'))
    return reply.redirect(`${temporalPath}-login`);
  throw new Failure(
    'Unauthorized',
    `You are not logged in to Temporal's Web UI: open ${temporalPath}-login.`,
  );
}

function proxy(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const contentType = request.headers['content-type'] ?? 'application/octet-stream';
  return reply.from(undefined, {
    ...(request.body instanceof Buffer && { body: request.body, contentType }),
    // Not repeated here: a person can do so.
    retryDelay: () => null,
    rewriteRequestHeaders: ({ headers }, { host }) => {
      const csrf = parseCookie(headers.cookie ?? '')[csrfCookie];
      const sent = csrf !== undefined && { cookie: stringifyCookie({ [csrfCookie]: csrf }) };
      return { host, ...only(headersThere, headers), ...sent };
    },
    rewriteHeaders: (headers) => ({ ...only(headersBack, headers), ...csrfOf(headers['set-cookie']) }),
    onResponse: (_request, _reply, answer) => {
      answerWith(reply, answer as unknown as Answer).catch((error: unknown) => giveUp(reply, error));
    },
    onError: (_reply, { error }) => giveUp(reply, error),
  });
}

interface Answer {
  statusCode: number;
  stream: Readable;
}

/** The Web UI's own policy is lost with a public path; the hash of its one script makes up for it. */
async function answerWith(reply: FastifyReply, { statusCode, stream }: Answer): Promise<void> {
  const isPage = String(reply.getHeader('content-type')).startsWith('text/html');
  if (!isPage) {
    const isForGood = statusCode === 200 && reply.request.url.startsWith(`${temporalPath}/_app/immutable/`);
    if (isForGood) reply.header('cache-control', 'private, max-age=31536000, immutable');
    reply.header('content-security-policy', policy(''));
    return void reply.send(stream);
  }
  const page = await text(stream);
  const scripts = [...page.matchAll(/<script>([^]*?)<\/script>/g)].map(([, script = '']) => script);
  const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  void reply.header('content-security-policy', policy(hashes.join(' '))).send(page);
}

function giveUp(reply: FastifyReply, error: unknown): void {
  reply.request.log.warn({ err: error }, "Temporal's Web UI did not answer");
  const problem = "Temporal's Web UI does not answer right now; try again in a moment.";
  void reply.send(new Failure('TemporalUnavailable', problem));
}

type Headers = Record<string, string | string[] | undefined>;

function only(names: readonly string[], headers: Headers): Headers {
  return Object.fromEntries(
    names.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
  );
}

/** For /temporal only: no other path of this host is sent it. */
function csrfOf(given: string | string[] | undefined): Headers {
  const found = [given ?? []]
    .flat()
    .map((each) => parseSetCookie(each))
    .find(({ name }) => name === csrfCookie);
  if (found?.value === undefined) return {};
  const { name, value } = found;
  return { 'set-cookie': stringifySetCookie({ name, value, path: temporalPath, sameSite: 'strict' }) };
}
