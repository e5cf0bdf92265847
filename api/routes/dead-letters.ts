// Dead letters: what used up its attempts, for a person to retry or drop.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  type DeadLetterRow,
  findDeadLetter,
  listDeadLetters,
  resolveDeadLetter,
  toDeadLetterView,
} from '../../activities/store/dead-letters.ts';
import type { Write } from '../../activities/store/events.ts';
import { addInput } from '../../activities/store/inputs.ts';
import { lockRun, type RunRow } from '../../activities/store/runs.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import type { RunStatus } from '../../workflows/contracts/run.ts';
import { DeadLetterListView, DeadLetterView } from '../../workflows/contracts/system.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import type { Parts, Routes } from '../parts.ts';
import type { Outcome } from '../plugins/idempotency.ts';
import { idCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';
import { runOf } from './runs.ts';

const params = z.object({ id });
// A POST without content may come with an empty object or with nothing.
const NoBody = z.strictObject({}).nullish();

export const deadLetterRoutes: Routes = (api, parts) => {
  api.get(
    '/dead-letters',
    {
      schema: {
        tags: ['dead letters'],
        operationId: 'listDeadLetters',
        summary: 'What used up its attempts, newest first',
        querystring: page.extend({
          open: z.stringbool().optional().describe('false: also those somebody retried or dropped.'),
        }),
        response: { 200: DeadLetterListView, ...problems },
      },
    },
    async (request) => {
      const { limit = usualLimit, cursor, open = true } = request.query;
      const before = idCursor(cursor);
      const rows = await listDeadLetters(parts.log.db, {
        tenantId: request.caller.tenantId,
        limit,
        open,
        ...(before !== undefined && { before }),
      });
      return toPage(rows, limit, { toView: toDeadLetterView, toCursor: (row) => row.id });
    },
  );

  api.post(
    '/dead-letters/:id/retry',
    {
      schema: {
        tags: ['dead letters'],
        operationId: 'retryDeadLetter',
        summary: 'Try it again: a stuck run gets a new execution, a run hears that it may repeat a call',
        params,
        body: NoBody,
        response: { 200: DeadLetterView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => retry(parts, write, request, request.params.id)),
  );

  api.post(
    '/dead-letters/:id/drop',
    {
      schema: {
        tags: ['dead letters'],
        operationId: 'dropDeadLetter',
        summary: 'Take it off the list and leave things as they are',
        params,
        body: NoBody,
        response: { 200: DeadLetterView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => ({
        status: 200,
        body: toDeadLetterView(await resolve(write, request, request.params.id, 'dropped')),
      })),
  );
};

function resolve(
  write: Write,
  request: FastifyRequest,
  letterId: string,
  resolution: 'retried' | 'dropped',
): Promise<DeadLetterRow> {
  const { tenantId, by } = request.caller;
  return resolveDeadLetter(write, { tenantId, id: letterId, resolution, by });
}

async function retry(
  parts: Parts,
  write: Write,
  request: FastifyRequest,
  letterId: string,
): Promise<Outcome> {
  const letter = await findDeadLetter(parts.log.db, request.caller.tenantId, letterId);
  if (!letter) throw new Failure('NotFound', `There is no dead letter ${letterId}.`);
  return letter.kind === 'run'
    ? retryRun(parts, write, request, letter)
    : retryCall(parts, write, request, letter);
}

/** Without the run's lock: what gives it another execution takes that itself. Nothing is stored when that fails. */
async function retryRun(
  parts: Parts,
  write: Write,
  request: FastifyRequest,
  letter: DeadLetterRow,
): Promise<Outcome> {
  const resolved = await resolve(write, request, letter.id, 'retried');
  const run = await runOf(parts, request.caller.tenantId, letter.run_id);
  refuseEnded(run);
  await parts.runs.retryRun(run).catch((error: unknown) => {
    if (error instanceof Failure) throw error;
    request.log.warn({ err: error, runId: run.id }, 'a run could not be given another execution');
    throw new Failure('TemporalUnavailable', 'Temporal cannot be asked for another execution; try again.');
  });
  return { status: 200, body: toDeadLetterView(resolved) };
}

async function retryCall(
  parts: Parts,
  write: Write,
  request: FastifyRequest,
  letter: DeadLetterRow,
): Promise<Outcome> {
  const { tenantId, by } = request.caller;
  // The run before the letter: the one lock order.
  const run = await lockRun(write, tenantId, letter.run_id);
  if (!run) throw new Error(`Dead letter ${letter.id} is of run ${letter.run_id}, which is not there.`);
  const resolved = await resolve(write, request, letter.id, 'retried');
  refuseEnded(run);
  await addInput(write, run, {
    kind: 'settle',
    messageId: `retry-${letter.id}`,
    text: `A person looked at call ${letter.call_id}, which was given up (${letter.reason}): it may be tried again.`,
    by,
  });
  return { status: 200, body: toDeadLetterView(resolved), after: () => parts.runs.wake(run.id) };
}

function refuseEnded(run: RunRow): void {
  if (!isTerminal(run.status as RunStatus)) return;
  throw new Failure('RunEnded', `Run ${run.id} has ended as ${run.status}; send a new message instead.`);
}
