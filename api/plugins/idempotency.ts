// One transaction for what a request does and for its answer under the caller's Idempotency-Key: the same request
// again gets the same answer and does nothing.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Write } from '../../activities/store/log/events.ts';
import {
  claimKey,
  keepAnswer,
  type KeyScope,
  type StoredAnswer,
} from '../../activities/store/access/idempotency.ts';
import { createLimit } from '../../activities/store/db/limit.ts';
import { Failure, failures } from '../../workflows/contracts/failures.ts';
import { commit, type Outcome, perform, type Verb, type VerbParts } from '../verbs/verb.ts';
import { present } from '../present.ts';
import { pathOf, problemType, toProblem } from './errors.ts';

/** Turns the stored answer into the sent one, after the commit and under no lock: it may be slow, and is not stored. */
export type Finish = (answer: StoredAnswer) => Promise<StoredAnswer>;

/**
 * Has a verb carried out and sends what comes of it, with the status of success that the route's schema names; of
 * several the highest: a 200 beside a 202 is what `finish` may make of it. `toView` makes the answer of the outcome's
 * body where that is not the answer itself.
 */
export type Mutate = <Input, Body>(
  request: FastifyRequest,
  reply: FastifyReply,
  verb: Verb<Input, Body>,
  input: Input,
  toView?: (body: Body) => unknown,
  finish?: Finish,
) => Promise<void>;

interface Done extends StoredAnswer {
  replayed: boolean;
  /** What is sent in place of `body`, and never stored. */
  bodyNow?: string;
  after?: Outcome['after'];
}

const acceptable = /^[\x21-\x7e]{1,255}$/;

type Act = (write: Write) => Promise<Done>;

export function createMutate(parts: VerbParts): Mutate {
  const { log, redact } = parts;

  function toRefusal(error: unknown, requestId: string): Done | undefined {
    // A failure that passes by itself is not to be repeated all day.
    if (!(error instanceof Failure) || failures[error.code].retryable) return undefined;
    if (failures[error.code].status >= 500) return undefined;
    const problem = toProblem(error, requestId, redact);
    return {
      status: problem.status,
      headers: { 'content-type': problemType },
      body: JSON.stringify(problem),
      replayed: false,
    };
  }

  /** Under a key. A refusal is an answer too: what was written before it is rolled back, and it is stored. */
  async function once(request: FastifyRequest, name: string, scope: KeyScope, act: Act): Promise<Done> {
    const keeping = (effect: Act): Promise<Done> => commit(log, name, keep(scope, request.bodyHash, effect));
    const done = await keeping(act).catch((error: unknown) => {
      const refusal = toRefusal(error, request.id);
      if (!refusal) throw error;
      return keeping(async () => refusal);
    });
    // A failure from here on is no refusal: the effect has been committed, and its answer is stored.
    await done.after?.();
    return done;
  }

  return async (request, reply, verb, input, toView = (body) => body, finish = async (answer) => answer) => {
    const { operationId, response } = request.routeOptions.schema as RouteSchema;
    const scope = scopeOf(request);
    const act: Act = async (write) => {
      const { body, after, onlyNow } = await verb(parts, write, request.caller, input);
      const answer = toAnswer(statusOf(response), toView(body));
      const bodyNow = onlyNow && JSON.stringify(toView({ ...body, ...onlyNow }));
      return { ...answer, replayed: false, ...present({ after, bodyNow }) };
    };
    // The transaction is named as the route is in the OpenAPI document.
    const done = await (scope ? once(request, operationId, scope, act) : perform(log, operationId, act));
    if (done.replayed) reply.header('idempotent-replayed', 'true');
    const { status, headers, body } = await finish({ ...done, body: done.bodyNow ?? done.body });
    return reply
      .code(status)
      .headers(headers)
      .send(body === '' ? undefined : body);
  };
}

// All wait for one lock, each with a connection: a quarter of the sixteen there are, and the rest is left to others.
const turns = 4;
// Four times 64 agents that claim at once; were each body as large as may be, 256 MiB.
const mostWaiting = 256;

/** A few at once: for verbs that wait for each other anyway. */
export function inTurn(mutate: Mutate): Mutate {
  const limited = createLimit(turns, mostWaiting);
  return (...given) => limited(() => mutate(...given));
}

interface RouteSchema {
  operationId: string;
  response: Record<string, unknown>;
}

/** What is stored for the key, or what comes of the effect now, which is stored with it. */
function keep(scope: KeyScope, bodyHash: string, effect: Act): Act {
  return async (write) => {
    const known = await claimKey(write.tx, scope);
    if (known === 'locked') {
      throw new Failure(
        'RequestInFlight',
        'The first request with this key is still under way; wait for it.',
      );
    }
    if (known && known.bodyHash !== bodyHash) {
      throw new Failure('IdempotencyKeyReused', 'Use a new Idempotency-Key for a request with another body.');
    }
    if (known) return { ...known, replayed: true };
    const done = await effect(write);
    write.send(keepAnswer(write.tx, scope, bodyHash, done));
    return done;
  };
}

function statusOf(response: Record<string, unknown>): number {
  const status = Object.keys(response).findLast((name) => /^2\d\d$/.test(name));
  if (status === undefined) throw new Error('The route names no status of success.');
  return Number(status);
}

function toAnswer(status: number, body: unknown): StoredAnswer {
  if (body === undefined) return { status, headers: {}, body: '' };
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  return { status, headers, body: JSON.stringify(body) };
}

function scopeOf(request: FastifyRequest): KeyScope | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !acceptable.test(key)) {
    throw new Failure('InvalidInput', 'Idempotency-Key must be 1 to 255 visible ASCII characters.', {
      fields: [{ path: 'Idempotency-Key', problem: 'must be 1 to 255 visible ASCII characters' }],
    });
  }
  const { tenantId } = request.caller;
  return { tenantId, method: request.method, path: pathOf(request.url), key };
}
