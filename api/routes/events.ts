// What happened in a run or a task, in all runs of a conversation by its own numbers, or in all of a tenant: pages of events,
// their export, and the same events as they come.
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Event, EventListView, type EventType, EventView } from '../../workflows/contracts/event.ts';
import { EventsQuery, StreamQuery } from '../../workflows/contracts/event-queries.ts';
import { id } from '../../workflows/contracts/fields.ts';
import type { Parts, Routes } from '../parts.ts';
import { present } from '../present.ts';
import { checkCursor, checkFloor, cursorOf } from '../stream/event-stream.ts';
import { headOf, numberIn, readTopic, type Topic } from '../stream/topics.ts';
import { at, pageExample, runId } from './examples.ts';
import { problems, refusals } from './problems.ts';

const idParams = z.object({ id });
const noParams = z.object({});

const event = {
  stream: `run/${runId}`,
  seq: 7,
  conversationSeq: 7,
  at,
  version: 1,
  attempt: 1,
  type: 'text-delta',
  payload: { step: 1, block: 0, text: 'The test fails because ' },
};

const toldEvent = {
  stream: 'tenant/00000000-0000-0000-0000-000000000000',
  seq: 12,
  conversationSeq: null,
  at,
  version: 1,
  attempt: 0,
  type: 'run-resume',
  payload: { reason: 'Its workflow task succeeded.' },
  source: { stream: `run/${runId}`, seq: 7 },
};

const gone = refusals('EventsFolded');

const listAnswer = {
  description: 'A page; with `format=jsonl` one event a line.',
  content: {
    'application/json': { schema: EventListView },
    // The schema is that of one line; the lines together have none.
    'application/x-ndjson': { schema: EventView },
  },
};

const streamAnswers = {
  200: {
    description:
      'Messages of Server-Sent Events. The schema is that of the `data` of each; `id` is its number, `event` its type, lines that begin with `:` are comments.',
    // The schema is that of each message's data; the stream as a whole has none.
    content: { 'text/event-stream': { schema: EventView } },
  },
  204: z.undefined().describe('Nothing follows the cursor, now or later.'),
  ...problems,
  ...gone,
};

interface Described {
  operationId: string;
  summary: string;
  description: string;
}

export const runEventRoutes = routesOf('run', {
  list: {
    operationId: 'listRunEvents',
    summary: 'Events of a run in order; `format=jsonl` without a limit exports all of them',
    description:
      '`after` is the number of the last event that you have; `kept` adds what is left of folded events.',
  },
  stream: {
    operationId: 'streamRun',
    summary: 'Events of a run over SSE, resumable with Last-Event-ID or `after`',
    description:
      'Each event is one SSE message: `id` is its number, `event` its type, `data` the event as JSON. The last event ends the stream; 204 says that nothing follows the cursor.',
  },
});

export const taskEventRoutes = routesOf('task', {
  list: {
    operationId: 'listTaskEvents',
    summary: 'Events of a task in order',
    description: 'What its runs do is in the streams of those.',
  },
  stream: {
    operationId: 'streamTask',
    summary: 'Events of a task over SSE, until it has ended',
    description: 'As the stream of a run.',
  },
});

export const conversationEventRoutes = routesOf('conversation', {
  list: {
    operationId: 'listConversationEvents',
    summary: 'Events of all runs of a conversation; cursors are `conversationSeq`',
    description: 'As the events of a run, by the numbers of the conversation.',
  },
  stream: {
    operationId: 'streamConversation',
    summary: 'Events of all runs of a conversation over SSE; it goes on until you leave',
    description:
      'As the stream of a run, with the numbers of the conversation, its subagents’ runs included. Between runs it stays ' +
      'open and waits for the next one; a comment every 15 seconds keeps the connection open.',
  },
});

export const tenantEventRoutes = routesOf('tenant', {
  list: {
    operationId: 'listEvents',
    summary: 'What is told of all runs, tasks and schedules, once each',
    description:
      'Runs accepted, begun and ended with what they cost, each step’s usage, what waits for people and their answers, ' +
      'used-up allowances, tasks, due times of schedules and dead letters. `source` names the stream and number of each.',
  },
  stream: {
    operationId: 'streamEvents',
    summary: 'The same over SSE, resumable with Last-Event-ID or `after`; it goes on until you leave',
    description:
      'As the stream of a conversation. Each event comes after the commit of what it tells of, in the order of its source.',
  },
});

function routesOf(kind: Topic['kind'], described: { list: Described; stream: Described }): Routes {
  const path = kind === 'tenant' ? '' : `/${kind}s/:id`;
  // A tenant is named by the token alone.
  const params = kind === 'tenant' ? noParams : idParams;
  const topicOf = ({ params: given, caller }: FastifyRequest): Topic => ({
    kind,
    id: kind === 'tenant' ? caller.tenantId : (given as z.infer<typeof idParams>).id,
  });
  return (api, parts) => {
    api.get(
      `${path}/events`,
      {
        config: { example: { answer: pageExample(kind === 'tenant' ? toldEvent : event) } },
        schema: {
          tags: ['events'],
          ...described.list,
          params,
          querystring: EventsQuery,
          response: { 200: listAnswer, ...problems, ...gone },
        },
      },
      async (request, reply) => {
        const topic = topicOf(request);
        return listEvents(parts, reply, request.caller.tenantId, topic, request.query);
      },
    );

    api.get(
      `${path}/stream`,
      {
        exposeHeadRoute: false,
        schema: {
          tags: ['events'],
          ...described.stream,
          params,
          querystring: StreamQuery,
          response: streamAnswers,
        },
      },
      async (request, reply) => {
        const after = cursorOf(request, request.query.after);
        const topic = topicOf(request);
        const head = await headOf(parts.db, request.caller.tenantId, topic);
        checkCursor(after, head.seq);
        checkFloor(after, head, pathOf(topic));
        const tokens = request.query.include !== 'no-tokens';
        const types = present({ types: request.query.type });
        return parts.streams.open(request, reply, { topic, head, after, tokens, ...types });
      },
    );
  };
}

function pathOf({ kind, id: of }: Topic): string {
  return kind === 'tenant' ? '/api/v1' : `/api/v1/${kind}s/${of}`;
}

// A screenful of a chatty run; clients that want all ask for more at once or for the export.
const usualEvents = 100;
// What one query of an export reads.
const exportEvents = 1_000;

type Read = (page: { after: number; limit: number }) => Promise<Event[]>;

async function listEvents(
  { db }: Parts,
  reply: FastifyReply,
  tenantId: string,
  topic: Topic,
  { after: cursor = '0', last: newest, limit, type, format, kept = false }: z.infer<typeof EventsQuery>,
): Promise<EventListView | FastifyReply> {
  const head = await headOf(db, tenantId, topic);
  const after = Number(cursor);
  checkCursor(after, head.seq);
  if (!kept && newest === undefined) checkFloor(after, head, pathOf(topic));
  const only: { types?: EventType[] } = present({ types: type });
  if (newest !== undefined) {
    const page = { ...only, after: Math.max(after, head.floor), limit: newest, newest: true };
    return { items: await readTopic(db, tenantId, topic, page), nextCursor: null };
  }
  const numberOf = numberIn(topic);
  const read: Read = async (page) => {
    const events = await readTopic(db, tenantId, topic, { ...page, ...only });
    const last = events.at(-1);
    const whole = kept || type || !last || numberOf(last) === page.after + events.length;
    // The floor has risen since it was looked at.
    if (!whole) checkFloor(page.after, await headOf(db, tenantId, topic), pathOf(topic));
    return events;
  };
  if (format === 'jsonl') {
    const lines = exported(after, limit, read, numberOf);
    return reply.type('application/x-ndjson; charset=utf-8').send(Readable.from(lines));
  }
  const items = await read({ after, limit: limit ?? usualEvents });
  const last = items.length === (limit ?? usualEvents) ? items.at(-1) : undefined;
  return { items, nextCursor: last ? String(numberOf(last)) : null };
}

/** One event a line; everything there is unless a limit was asked for. */
async function* exported(
  after: number,
  limit: number | undefined,
  read: Read,
  numberOf: (event: Event) => number | null,
): AsyncGenerator<string, void> {
  let cursor = after;
  for (;;) {
    const events = await read({ after: cursor, limit: limit ?? exportEvents });
    if (events.length > 0) yield events.map((each) => `${JSON.stringify(each)}\n`).join('');
    const last = events.at(-1);
    if (!last || limit !== undefined || events.length < exportEvents) return;
    cursor = numberOf(last) ?? cursor;
  }
}
