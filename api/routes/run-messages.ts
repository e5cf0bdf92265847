// Messages into a run: steer, interrupt, cancel. A row first, then the wake; whoever was never started ends here.
import type { FastifyRequest } from 'fastify';
import { v7 as uuid } from 'uuid';
import { z } from 'zod';
import { afterEnd } from '../../activities/store/lifecycle/after-end.ts';
import { endUnstarted } from '../../activities/store/lifecycle/end-run.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { addInput } from '../../activities/store/runs/inputs.ts';
import {
  type LockedRun,
  lockRun,
  lockRunAndConversation,
  type RunRow,
} from '../../activities/store/runs/runs.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { ReceiptView, SteerBody } from '../../workflows/contracts/run.ts';
import type { Parts, Routes } from '../parts.ts';
import type { Outcome } from '../plugins/idempotency.ts';
import { problems } from './problems.ts';
import { runParams } from './runs.ts';

// A stop without an id of its own may come with an empty object or with nothing.
const StopBody = z.strictObject({ messageId: SteerBody.shape.messageId }).nullish().meta({ id: 'StopBody' });

export const runMessageRoutes: Routes = (api, parts) => {
  api.post(
    '/runs/:id/steer',
    {
      schema: {
        tags: ['runs'],
        operationId: 'steerRun',
        summary: 'Say something to an active run; it reads it before its next model call',
        params: runParams,
        body: SteerBody,
        response: { 202: ReceiptView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        const run = await locked(write, request, request.params.id);
        const { text, messageId = uuid() } = request.body;
        const receipt = await addInput(write, run, {
          kind: 'steer',
          messageId,
          text: parts.redact(text),
          by: request.caller.by,
        });
        return { status: 202, body: receipt, after: () => parts.runs.wake(run.id) };
      }),
  );

  api.post(
    '/runs/:id/interrupt',
    {
      schema: {
        tags: ['runs'],
        operationId: 'interruptRun',
        summary: 'Stop an active run and keep what it did',
        params: runParams,
        body: StopBody,
        response: { 202: ReceiptView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        const run = await locked(write, request, request.params.id, lockRunAndConversation);
        return stop(parts, write, run, { ...stopper(request, request.body?.messageId), kind: 'interrupt' });
      }),
  );

  api.post(
    '/runs/:id/cancel',
    {
      schema: {
        tags: ['runs'],
        operationId: 'cancelRun',
        summary: 'Stop an active run and discard its result',
        params: runParams,
        body: StopBody,
        response: { 202: ReceiptView, ...problems },
      },
    },
    (request, reply) =>
      parts.mutate(request, reply, async (write) => {
        const run = await locked(write, request, request.params.id, lockRunAndConversation);
        return stop(parts, write, run, { ...stopper(request, request.body?.messageId), kind: 'cancel' });
      }),
  );
};

/** Stops lock the conversation too: they end a run that nothing has taken up. */
async function locked(
  write: Write,
  request: FastifyRequest,
  runId: string,
  lock = lockRun,
): Promise<LockedRun> {
  const run = await lock(write, request.caller.tenantId, runId);
  if (!run) throw new Failure('NotFound', `There is no run ${runId}.`);
  return run;
}

function stopper(request: FastifyRequest, messageId: string | undefined): { messageId: string; by: string } {
  return { messageId: messageId ?? request.id, by: request.caller.by };
}

function startAll({ runs }: Parts, admitted: readonly RunRow[]): void {
  for (const run of admitted) runs.started(run);
}

async function stop(
  parts: Parts,
  write: Write,
  run: LockedRun,
  input: { kind: 'interrupt' | 'cancel'; messageId: string; by: string },
): Promise<Outcome> {
  const receipt = await addInput(write, run, { ...input, text: '' }).catch((error: unknown) => {
    if (input.kind === 'interrupt' || !(error instanceof Failure && error.code === 'RunNotActive'))
      throw error;
    throw new Failure('RunEnded', `Run ${run.id} has ended as ${run.status}; there is nothing to cancel.`);
  });
  const ended = await endUnstarted(write, run, input.kind);
  if (!ended) return { status: 202, body: receipt, after: () => parts.runs.wake(run.id) };
  return { status: 202, body: receipt, after: async () => startAll(parts, await afterEnd(parts.log, ended)) };
}
