// Dead letters: what used up its attempts, for a person to retry or drop.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { acceptRun } from '../../activities/store/lifecycle/accept-run.ts';
import { handOver } from '../../activities/store/lifecycle/begin-run.ts';
import {
  type DeadLetterRow,
  findDeadLetter,
  listDeadLetters,
  resolveDeadLetter,
  retryMessageId,
  toDeadLetterView,
} from '../../activities/store/runs/dead-letters.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { type HeldPools, holdPools, chainOf } from '../../activities/store/allowances/run-places.ts';
import { addInput } from '../../activities/store/runs/inputs.ts';
import {
  type LockedRun,
  lockRunAndConversation,
  priorityOf,
  type RunRow,
} from '../../activities/store/runs/runs.ts';
import type { ExternalTool } from '../../workflows/contracts/external-tool.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id, page } from '../../workflows/contracts/fields.ts';
import type { RunLimits, RunStatus, SendMessageBody } from '../../workflows/contracts/run.ts';
import { DeadLetterListView, DeadLetterView } from '../../workflows/contracts/system.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import type { Parts, Routes } from '../parts.ts';
import type { Outcome } from '../plugins/idempotency.ts';
import { tell, toNewRun } from './accepting.ts';
import { idCursor, toPage, usualLimit } from './paging.ts';
import { problems } from './problems.ts';

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
        summary: 'Try it again: a stuck run, a call that was given up, or what a failed run was asked',
        description:
          'A stuck run gets another execution, and a run hears that it may make a call again. A run that has ended stays ended: what a failed one was asked is asked again in a new run of its conversation (`retriedAs`); of any other end, and for a call, the answer is 409.',
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
        body: viewOf(await resolve(write, request, request.params.id, 'dropped')),
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
  const { tenantId } = request.caller;
  const found = await findDeadLetter(write.tx, tenantId, letterId);
  if (!found) throw new Failure('NotFound', `There is no dead letter ${letterId}.`);
  // What is asked again draws from what the first run drew from. Pools before the run, the run before the letter: the
  // one lock order.
  const pools = await chainOf(write.tx, found.run_id);
  const held = await holdPools(write.tx, { tenantId, others: pools });
  const run = await lockRunAndConversation(write, tenantId, found.run_id);
  if (!run) throw new Error(`Dead letter ${letterId} is of run ${found.run_id}, which is not there.`);
  const letter = await resolve(write, request, letterId, 'retried');
  if (isTerminal(run.status as RunStatus)) return askAgain(parts, write, request, { run, letter, held });
  const after =
    letter.kind === 'run'
      ? await retryRun(parts, write, run)
      : await retryCall(parts, write, { run, letter, by: request.caller.by });
  return { status: 200, body: viewOf(letter), after };
}

function viewOf(letter: DeadLetterRow, again?: RunRow): DeadLetterView {
  return toDeadLetterView({ ...letter, retried_as: again?.id ?? null });
}

/**
 * An ended run stays ended: its stream is closed, its conversation may have gone on. But a failed run is in nobody's
 * context, so what it was asked can be asked again as if for the first time.
 */
async function askAgain(
  parts: Parts,
  write: Write,
  request: FastifyRequest,
  { run, letter, held }: { run: RunRow; letter: DeadLetterRow; held: HeldPools },
): Promise<Outcome> {
  const refused =
    letter.kind === 'call'
      ? 'no call of an ended run is made again'
      : run.status === 'failed'
        ? undefined
        : 'only what a failed run was asked is asked again';
  if (refused !== undefined) {
    const what = `Run ${run.id} has ended as ${run.status}, and ${refused}`;
    throw new Failure('RunEnded', `${what}: send a new message, or drop this dead letter.`);
  }
  const body: SendMessageBody = {
    prompt: run.prompt,
    model: run.model,
    policy: run.policy,
    priority: priorityOf(run.priority),
    limits: run.limits as RunLimits,
    metadata: run.metadata as Record<string, string>,
    messageId: retryMessageId(letter),
    // Whoever asks for another try need not watch for the moment in which the conversation is idle.
    whenBusy: 'queue',
    attended: run.attended,
    externalTools: run.external_tools as unknown as ExternalTool[],
    ...(run.project_path !== null && { project: { path: run.project_path } }),
  };
  const again = await toNewRun(parts, write.tx, request, body, run.conversation_id);
  const accepted = await acceptRun(write, { ...again, pools: held.others }, held);
  return { status: 200, body: viewOf(letter, accepted.run), after: () => tell(parts, accepted) };
}

/** Takes the run away from its execution; the next is started after the commit, or by the sweeper. */
async function retryRun(parts: Parts, write: Write, run: RunRow): Promise<() => void> {
  if (run.stuck === null) {
    throw new Failure(
      'NotRunnable',
      `Run ${run.id} is not stuck any more and goes on by itself; drop this dead letter instead.`,
    );
  }
  const handedOver = await handOver(write, run);
  return () => parts.runs.started(handedOver);
}

async function retryCall(
  parts: Parts,
  write: Write,
  { run, letter, by }: { run: LockedRun; letter: DeadLetterRow; by: string },
): Promise<() => void> {
  await addInput(write, run, {
    kind: 'settle',
    messageId: retryMessageId(letter),
    text: `A person looked at call ${letter.call_id}, which was given up (${letter.reason}): it may be tried again.`,
    by,
  });
  return () => parts.runs.wake(run.id);
}
