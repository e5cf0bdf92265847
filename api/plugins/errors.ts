// The one place where an error becomes an answer: a problem document (RFC 9457) out of the table of failures.
// What is in no row is a bug: logged in full, answered without details.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { isDiskFull, isStoreOutage } from '../../activities/store/db/database.ts';
import { Failure, failures } from '../../workflows/contracts/failures.ts';
import type { ProblemView } from '../../workflows/contracts/system.ts';

export const problemType = 'application/problem+json; charset=utf-8';

// A supervised Postgres or API is back in about a second.
const retryAfterSeconds = '1';
// A person makes room, which takes minutes; a client that waits need not ask more often.
const roomAfterSeconds = '30';
// Enough to correct a form with; a body of a million wrong items needs no million sentences.
const mostFields = 20;
// Names of unknown fields come from the caller and may be as long as the body.
const longestName = 100;

type Field = NonNullable<ProblemView['fields']>[number];

export function toProblem(
  failure: Failure,
  requestId: string,
  redact: (text: string) => string,
): ProblemView {
  const row = failures[failure.code];
  const problem: ProblemView = {
    type: `/problems/${failure.code}`,
    title: row.title,
    status: row.status,
    detail: failure.message,
    code: failure.code,
    requestId,
    ...failure.extra,
  };
  return JSON.parse(redact(JSON.stringify(problem))) as ProblemView;
}

/** Answers an error as a problem; also for what fails before any hook has run, such as a path that is no path. */
export type AnswerError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** `diskProblem`: a Postgres whose disk is full may not answer at all, and then that is what is said. */
export function createErrorAnswers(
  redact: (text: string) => string,
  diskProblem: () => string | undefined,
): AnswerError {
  return (error, request, reply) => {
    const failure = toFailure(error, diskProblem);
    if (failure?.code === 'StoreUnavailable') request.log.warn({ err: error }, 'Postgres cannot be reached');
    if (failure?.code === 'DiskFull') request.log.warn({ err: error }, 'the disk is full');
    if (!failure) request.log.error({ err: error }, 'a request failed');
    const problem = toProblem(failure ?? internal(request.id), request.id, redact);
    const after = retryAfter(failure, problem.status);
    if (after !== undefined) reply.header('retry-after', after);
    return reply
      .code(problem.status)
      .header('x-request-id', request.id)
      .type(problemType)
      .send(JSON.stringify(problem));
  };
}

/** In seconds: when a fault has passed, or when a period ends. */
function retryAfter(failure: Failure | undefined, status: number): string | undefined {
  if (status === 503) return retryAfterSeconds;
  if (status === 507) return roomAfterSeconds;
  const endsAt = failure?.extra['endsAt'];
  if (status !== 429 || typeof endsAt !== 'string') return undefined;
  return String(Math.max(1, Math.ceil((Date.parse(endsAt) - Date.now()) / 1000)));
}

export function answerErrors(app: FastifyInstance, answer: AnswerError): void {
  app.setErrorHandler(answer);
  app.setNotFoundHandler((request, reply) =>
    answer(
      new Failure('NotFound', `There is nothing at ${request.method} ${pathOf(request.url)}.`),
      request,
      reply,
    ),
  );
}

function internal(requestId: string): Failure {
  const detail = `This is a fault of the server. Its log has the details under request ${requestId}.`;
  return new Failure('InternalError', detail);
}

export function pathOf(url: string): string {
  return (url.split('?', 1)[0] ?? '').slice(0, 200);
}

// Postgres of its own machine, or a quota: only it can tell which.
const elsewhereFull =
  'The disk of Postgres, or of the data folder, is full; nothing was lost. Make room there and try again.';

function toFailure(error: unknown, diskProblem: () => string | undefined): Failure | undefined {
  if (error instanceof Failure) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return invalidInput(error);
  const known = ofFramework(error as FastifyError);
  if (known) return known;
  if (isStoreOutage(error)) {
    const full = diskProblem() ?? (isDiskFull(error) ? elsewhereFull : undefined);
    if (full !== undefined) return new Failure('DiskFull', full);
    return new Failure('StoreUnavailable', 'Postgres cannot be reached; nothing was lost, try again.');
  }
  return undefined;
}

function ofFramework(error: FastifyError): Failure | undefined {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Failure('BodyTooLarge', 'The body is over the limit of this server; send less at once.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Failure('UnsupportedMediaType', 'Send JSON with "Content-Type: application/json".');
    default:
  }
  // The parser of requests marks what the sender did wrong (a length that is not true, a body cut short).
  const isTheirs = error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500;
  return isTheirs
    ? new Failure('InvalidInput', 'The request cannot be read; check its path and its body.')
    : undefined;
}

interface Issue {
  keyword: string;
  instancePath: string;
  message?: string;
  params: Record<string, unknown>;
}

function invalidInput(error: { validation: unknown[]; validationContext?: string }): Failure {
  const place = error.validationContext ?? 'request';
  const fields = (error.validation as Issue[])
    .slice(0, mostFields)
    .flatMap((issue) => fieldsOf(issue, place));
  const [first] = fields;
  const isCursor =
    place === 'querystring' && fields.every((field) => field.path === 'after' || field.path === 'cursor');
  return new Failure(
    isCursor ? 'InvalidCursor' : 'InvalidInput',
    first
      ? `${first.path} is not valid: ${first.problem}. Correct it and send the request again.`
      : 'The request does not fit its description at /docs.',
    { fields },
  );
}

function fieldsOf(issue: Issue, place: string): Field[] {
  const path = issue.instancePath.slice(1).replaceAll('/', '.');
  if (issue.keyword === 'unrecognized_keys') {
    const keys = (issue.params.keys as string[]).slice(0, mostFields);
    return keys.map((key) => ({
      path: [path, key].filter(Boolean).join('.').slice(0, longestName),
      problem: 'there is no such field here',
    }));
  }
  return [
    { path: (path || place).slice(0, longestName), problem: (issue.message ?? 'not valid').slice(0, 300) },
  ];
}
