// Pages of events and their export: the same for a run and for a conversation.
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { Event, EventListView, EventsQuery, EventType } from '../../workflows/contracts/event.ts';
import { checkCursor } from '../stream/event-stream.ts';

export type ReadEvents = (page: { after: number; limit: number; type?: EventType }) => Promise<Event[]>;

// A screenful of a chatty run; clients that want all ask for more at once or for the export.
const usualEvents = 100;
// What one query of an export reads.
const exportEvents = 1_000;

export async function listEvents(
  reply: FastifyReply,
  query: z.infer<typeof EventsQuery>,
  input: { position: number; read: ReadEvents; numberOf: (event: Event) => number | null },
): Promise<EventListView | FastifyReply> {
  const { position, read, numberOf } = input;
  const after = Number(query.after ?? 0);
  checkCursor(after, position);
  const type = query.type && { type: query.type };
  if (query.format === 'jsonl') {
    const lines = exported(after, query.limit, (page) => read({ ...page, ...type }), numberOf);
    return reply.type('application/x-ndjson; charset=utf-8').send(Readable.from(lines));
  }
  const limit = query.limit ?? usualEvents;
  const items = await read({ after, limit, ...type });
  const last = items.length === limit ? items.at(-1) : undefined;
  return { items, nextCursor: last ? String(numberOf(last)) : null };
}

/** One event a line; everything there is unless a limit was asked for. */
async function* exported(
  after: number,
  limit: number | undefined,
  read: ReadEvents,
  numberOf: (event: Event) => number | null,
): AsyncGenerator<string, void> {
  let cursor = after;
  for (;;) {
    const events = await read({ after: cursor, limit: limit ?? exportEvents });
    if (events.length > 0) yield events.map((event) => `${JSON.stringify(event)}\n`).join('');
    const last = events.at(-1);
    if (!last || limit !== undefined || events.length < exportEvents) return;
    cursor = numberOf(last) ?? cursor;
  }
}
