// Waiting for the end of a run: by itself, and with what starts one.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { toRunViews } from '../../activities/store/allowances/run-money.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { isTerminal } from '../../workflows/run/transitions.ts';
import { found } from '../../workflows/contracts/failures.ts';
import { id } from '../../workflows/contracts/fields.ts';
import { type RunStatus, RunView, StartRunView, WaitQuery } from '../../workflows/contracts/run.ts';
import type { Parts, Routes } from '../parts.ts';
import type { Finish } from '../plugins/idempotency.ts';
import { runExample } from './examples.ts';
import { jsonAnswer, problems, refusals } from './problems.ts';

// The longest allowed: a caller that waits wants it.
const usualSeconds = 25;

const hasEnded = ({ status }: RunRow): boolean => isTerminal(status as RunStatus);

export const waitRoutes: Routes = (api, parts) => {
  api.get(
    '/runs/:id/wait',
    {
      exposeHeadRoute: false,
      config: { example: { answer: runExample } },
      schema: {
        tags: ['runs'],
        operationId: 'waitForRun',
        summary: 'Wait for the end of a run',
        description:
          'Answers at once when the run has ended, else as soon as it does, or with 202 and the run as it is when the time is over or the server shuts down: ask again then.',
        params: z.object({ id }),
        querystring: WaitQuery,
        response: {
          200: jsonAnswer('The run, which has ended.', RunView),
          202: jsonAnswer('The run, which has not ended yet.', RunView),
          ...problems,
        },
      },
    },
    async (request, reply) => {
      const { seconds = usualSeconds } = request.query;
      const run = await parts.waits.end(request, reply.raw, { runId: request.params.id, seconds });
      return reply.code(hasEnded(run) ? 200 : 202).send(await viewOf(parts, run));
    },
  );
};

/** The answers of a route that starts a run and may wait for its end. */
export const startAnswers = {
  200: jsonAnswer('With `wait`: the run, which has ended.', RunView),
  202: jsonAnswer('The run is accepted, and has not ended yet.', StartRunView),
  ...problems,
  ...refusals(
    'ConversationBusy',
    'RunActive',
    'ProjectBusy',
    'RequestInFlight',
    'UnknownModel',
    'UnknownPolicy',
    'ContainmentRequired',
    'NothingToGoOnFrom',
    'NotRunnable',
    'IdempotencyKeyReused',
    'AllowanceExceeded',
    'DiskFull',
  ),
};

/**
 * Waits for the run that was started, after the commit: the answer under the idempotency key stays the 202. The run is
 * accepted whatever becomes of the wait, so that what goes wrong in it is answered with the 202 too.
 */
export function waitForStarted(
  parts: Parts,
  request: FastifyRequest,
  reply: FastifyReply,
  seconds: number | undefined,
): Finish | undefined {
  if (seconds === undefined) return undefined;
  return async (started) => {
    if (started.status !== 202) return started;
    const { id: runId } = JSON.parse(started.body) as StartRunView;
    const run = await parts.waits.end(request, reply.raw, { runId, seconds }).catch((error: unknown) => {
      request.log.warn({ err: error, runId }, 'the wait for a started run was cut short');
      return undefined;
    });
    if (!run || !hasEnded(run)) return started;
    return { ...started, status: 200, body: JSON.stringify(await viewOf(parts, run)) };
  };
}

async function viewOf({ db }: Parts, run: RunRow): Promise<RunView> {
  const [view] = await toRunViews(db, [run]);
  return found(view, `run ${run.id}`);
}
