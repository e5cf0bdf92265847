// One transaction for what a request does and for its answer under the caller's Idempotency-Key: the same request
// again gets the same answer and does nothing.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { violatedConstraint } from '../../activities/store/db/database.ts';
import type { EventLog, Write } from '../../activities/store/log/events.ts';
import {
  claimKey,
  type KeyScope,
  type StoredAnswer,
  storeAnswer,
} from '../../activities/store/access/idempotency.ts';
import { Failure, failures } from '../../workflows/contracts/failures.ts';
import { pathOf, problemType, toProblem } from './errors.ts';

export interface Outcome {
  status: number;
  body?: unknown;
  /** Called once the effect has been committed, before the answer; never for an answer given again. */
  after?: () => void | Promise<void>;
}

/** Runs what a request changes and sends its answer. `act` may run twice: only its last transaction commits. */
export type Mutate = (
  request: FastifyRequest,
  reply: FastifyReply,
  act: (write: Write) => Promise<Outcome>,
) => Promise<void>;

interface Done extends StoredAnswer {
  replayed: boolean;
  after?: () => void | Promise<void>;
}

const acceptable = /^[\x21-\x7e]{1,255}$/;
// Two requests with one message id may both find it new; the second one finds the row when it looks again.
const racing = new Set(['runs_opening', 'runs_conversation_id_message_id_key']);

export function createMutate(input: { log: EventLog; redact: (text: string) => string }): Mutate {
  const { log, redact } = input;

  async function once(request: FastifyRequest, act: (write: Write) => Promise<Outcome>): Promise<Done> {
    const scope = scopeOf(request);
    const name = transactionOf(request);
    if (!scope) return log.write(name, async (write) => toDone(await act(write)));
    const underKey = (effect: (write: Write) => Promise<Done>): Promise<Done> =>
      log.write(name, async (write) => {
        const known = await claimKey(write.tx, scope);
        if (known === 'locked') {
          throw new Failure(
            'RequestInFlight',
            'The first request with this key is still under way; wait for it.',
          );
        }
        if (known && known.bodyHash !== request.bodyHash) {
          throw new Failure(
            'IdempotencyKeyReused',
            'Use a new Idempotency-Key for a request with another body.',
          );
        }
        if (known) return { ...known, replayed: true };
        const done = await effect(write);
        await storeAnswer(write.tx, scope, request.bodyHash, done);
        return done;
      });
    try {
      return await underKey(async (write) => toDone(await act(write)));
    } catch (error) {
      // A refusal is an answer too: what was written before it has been taken back, and it is stored.
      const refusal = toRefusal(error, request.id);
      if (!refusal) throw error;
      return underKey(async () => refusal);
    }
  }

  function toRefusal(error: unknown, requestId: string): Done | undefined {
    // What passes by itself is no answer to be given again for a day.
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

  return async (request, reply, act) => {
    const done = await once(request, act).catch((error: unknown) => {
      if (!racing.has(violatedConstraint(error) ?? '')) throw error;
      return once(request, act);
    });
    await done.after?.();
    if (done.replayed) reply.header('idempotent-replayed', 'true');
    return reply
      .code(done.status)
      .headers(done.headers)
      .send(done.body === '' ? undefined : done.body);
  };
}

/** A route's transaction is named as the route is in the OpenAPI document. */
function transactionOf(request: FastifyRequest): string {
  const { operationId } = request.routeOptions.schema as { operationId: string };
  return operationId;
}

function toDone(outcome: Outcome): Done {
  const empty = outcome.body === undefined;
  return {
    status: outcome.status,
    headers: empty ? {} : { 'content-type': 'application/json; charset=utf-8' },
    body: empty ? '' : JSON.stringify(outcome.body),
    replayed: false,
    ...(outcome.after && { after: outcome.after }),
  };
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
