// Cursor paging: what every list does with `limit` and `cursor`.
import type { MessagePlace } from '../../activities/store/runs/message-lists.ts';
import { callIdField } from '../../workflows/contracts/call.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { id as uuid } from '../../workflows/contracts/fields.ts';
import { phases } from '../../workflows/contracts/message.ts';
import { messageIdField } from '../../workflows/contracts/message-view.ts';
import { presetId } from '../../workflows/contracts/configuration.ts';
import { type Present, present } from '../present.ts';

/** How a list is ordered: the cursor behind a row, and where a read goes on from a cursor; undefined for a wrong one. */
interface Order<Row, From extends object> {
  cursorOf(row: Row): string;
  from(cursor: string): From | undefined;
}

interface PageQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
}

/** What a list is read by: the page, and the filters that were given. */
type Page<Query, From> = { limit: number } & Partial<From> & Present<Omit<Query, keyof PageQuery>>;

// A screenful; more is asked for by name.
export const usualLimit = 50;

/** Answers a page and the cursor behind it: null when this was the last. */
export async function pageOf<Query extends PageQuery, Row, From extends object, View>(
  { limit = usualLimit, cursor, ...filters }: Query,
  order: Order<NoInfer<Row>, From>,
  read: (page: Page<Query, From>) => Promise<Row[]>,
  toView: (row: Row) => View | Promise<View>,
): Promise<{ items: View[]; nextCursor: string | null }> {
  const from = cursor === undefined ? {} : order.from(cursor);
  if (!from) throw new Failure('InvalidCursor', 'Use the nextCursor of the page before as it was given.');
  const rows = await read({ limit, ...from, ...present(filters) } as Page<Query, From>);
  const last = rows.length === limit ? rows.at(-1) : undefined;
  return {
    items: await Promise.all(rows.map(toView)),
    nextCursor: last === undefined ? null : order.cursorOf(last),
  };
}

function isId(cursor: string): boolean {
  return uuid.safeParse(cursor).success;
}

/** Ids are ordered by time. */
export const newestFirst: Order<{ id: string }, { before: string }> = {
  cursorOf: (row) => row.id,
  from: (cursor) => (isId(cursor) ? { before: cursor } : undefined),
};

export const turnsNewestFirst: Order<{ runId: string }, { before: string }> = {
  cursorOf: (row) => row.runId,
  from: newestFirst.from,
};

export const byId: Order<{ id: string }, { after: string }> = {
  cursorOf: (row) => row.id,
  from: (cursor) => (isId(cursor) ? { after: cursor } : undefined),
};

/** By an id that people have chosen. */
export const bySlug: Order<{ id: string }, { after: string }> = {
  cursorOf: (row) => row.id,
  from: (cursor) => (presetId.safeParse(cursor).success ? { after: cursor } : undefined),
};

export const highestNumberFirst: Order<{ id: number | string }, { before: number }> = {
  cursorOf: (row) => String(row.id),
  // Fifteen digits are more entries than there will be, and exact.
  from: (cursor) => (/^\d{1,15}$/.test(cursor) ? { before: Number(cursor) } : undefined),
};

export const latestActivityFirst: Order<
  { id: string; last_activity_at: Date },
  { before: { at: Date; id: string } }
> = {
  cursorOf: (row) => `${row.last_activity_at.getTime()}.${row.id}`,
  from(cursor) {
    const [, at, id = ''] = /^(\d{1,15})\.(.{36})$/.exec(cursor) ?? [];
    return isId(id) ? { before: { at: new Date(Number(at)), id } } : undefined;
  },
};

export const latestDueFirst: Order<{ id: string; due_at: Date }, { before: { at: Date; id: string } }> = {
  cursorOf: (row) => `${row.due_at.getTime()}.${row.id}`,
  from(cursor) {
    const [, at, id = ''] = /^(\d{1,15})\.([0-9a-fA-F-]{37}[0-9a-fA-FTZ:-]{20,36})$/.exec(cursor) ?? [];
    const due = new Date(Number(at));
    return Number.isNaN(due.getTime()) ? undefined : { before: { at: due, id } };
  },
};

export const byStepAndIndex: Order<{ call_id: string }, { after: { step: number; index: number } }> = {
  cursorOf: (row) => row.call_id,
  from(cursor) {
    if (!callIdField.safeParse(cursor).success) return undefined;
    const [step = 0, index = 0] = cursor.split('.').map(Number);
    return { after: { step, index } };
  },
};

export const inCallOrder: Order<
  { fromRunId: string; callId: string },
  { after: { runId: string; callId: string } }
> = {
  cursorOf: ({ fromRunId, callId }) => `${fromRunId}.${callId}`,
  from(cursor) {
    const [, runId = '', callId = ''] = /^([^.]{36})\.(.+)$/.exec(cursor) ?? [];
    return isId(runId) && callIdField.safeParse(callId).success ? { after: { runId, callId } } : undefined;
  },
};

export const byNumber: Order<{ number: number }, { after: number }> = {
  cursorOf: ({ number }) => String(number),
  from: (cursor) => (/^\d{1,7}$/.test(cursor) ? { after: Number(cursor) } : undefined),
};

// Built-in ones come first, so the id alone does not say where a page ends.
export const builtInFirst: Order<
  { id: string; builtIn: boolean },
  { after: { builtIn: boolean; id: string } }
> = {
  cursorOf: ({ id, builtIn }) => `${builtIn ? 'built-in' : 'own'}:${id}`,
  from(cursor) {
    const [, kind, id] = /^(built-in|own):(.+)$/.exec(cursor) ?? [];
    if (id === undefined || !presetId.safeParse(id).success) return undefined;
    return { after: { builtIn: kind === 'built-in', id } };
  },
};

/** The parts of a message's id, which the schema has checked. */
export function placeOf(messageId: string): { step: number; phase: number; position: number } {
  const [step, phase, position] = messageId.split('.');
  return {
    step: Number(step),
    phase: phases.findIndex((name) => name === phase),
    position: Number(position),
  };
}

export const inOrderOfMessages: Order<{ id: string; runId: string }, { after: MessagePlace }> = {
  cursorOf: ({ id, runId }) => `${runId}.${id}`,
  from(cursor) {
    const [, runId = '', messageId = ''] = /^([^.]{36})\.(.+)$/.exec(cursor) ?? [];
    if (!isId(runId) || !messageIdField.safeParse(messageId).success) return undefined;
    return { after: { runId, ...placeOf(messageId) } };
  },
};
