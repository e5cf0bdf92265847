// What happened in a run: pages of its events, and the same events as they come.
import { z } from 'zod';
import { readEvents, readHead, type StreamHead } from '../../activities/store/log/events.ts';
import { EventListView, EventsQuery, StreamQuery, streamOf } from '../../workflows/contracts/event.ts';
import { cursorOf } from '../stream/event-stream.ts';
import type { Parts, Routes } from '../parts.ts';
import { listEvents } from './event-lists.ts';
import { problems } from './problems.ts';
import { runOf, runParams } from './runs.ts';

export const streamAnswers = {
  200: {
    description:
      'Events as they come: `id` is the number, `event` the type, `data` the event. Ends with the last.',
    content: { 'text/event-stream': { schema: z.string() } },
  },
  204: z.undefined().describe('Nothing follows the cursor, now or later.'),
  ...problems,
};

export const runEventRoutes: Routes = (api, parts) => {
  api.get(
    '/runs/:id/events',
    {
      schema: {
        tags: ['events'],
        operationId: 'listRunEvents',
        summary: 'Events of a run in order; `format=jsonl` without a limit exports all of them',
        params: runParams,
        querystring: EventsQuery,
        response: { 200: EventListView, ...problems },
      },
    },
    async (request, reply) => {
      const head = await headOf(parts, request.caller.tenantId, request.params.id);
      return listEvents(reply, request.query, {
        position: head.seq,
        numberOf: (event) => event.seq,
        read: (page) =>
          readEvents(parts.log.db, streamOf('run', request.params.id), {
            tenantId: request.caller.tenantId,
            ...page,
          }),
      });
    },
  );

  api.get(
    '/runs/:id/stream',
    {
      exposeHeadRoute: false,
      schema: {
        tags: ['events'],
        operationId: 'streamRun',
        summary: 'Events of a run over SSE, resumable with Last-Event-ID or `after`',
        params: runParams,
        querystring: StreamQuery,
        response: streamAnswers,
      },
    },
    async (request, reply) => {
      const after = cursorOf(request, request.query.after);
      const head = await headOf(parts, request.caller.tenantId, request.params.id);
      return parts.streams.open(request, reply, {
        topic: { kind: 'run', id: request.params.id },
        head,
        after,
      });
    },
  );
};

async function headOf(parts: Parts, tenantId: string, runId: string): Promise<StreamHead> {
  const head = readHead(parts.log.db, tenantId, streamOf('run', runId));
  const [found] = await Promise.all([head, runOf(parts, tenantId, runId)]);
  return found ?? { seq: 0, ended: false };
}
