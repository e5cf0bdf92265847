// What can be followed: the stream of a run, a task or the tenant, or all runs of a conversation by the conversation's own
// numbers.
import type { Db } from '../../activities/store/db/database.ts';
import { type EventsPage, readConversationEvents, readEvents } from '../../activities/store/log/events.ts';
import {
  conversationHeads,
  readConversationTails,
  readStreamTails,
  type StreamHead,
  streamHeads,
} from '../../activities/store/log/tails.ts';
import { findRun } from '../../activities/store/runs/runs.ts';
import { findTask } from '../../activities/store/tasks/tasks.ts';
import { type Event, streamOf } from '../../workflows/contracts/event.ts';
import { found } from '../../workflows/contracts/failures.ts';

export interface Topic {
  kind: 'run' | 'task' | 'conversation' | 'tenant';
  id: string;
}

export function keyOf(topic: Topic): string {
  return topic.kind === 'conversation' ? `conversation/${topic.id}` : streamOf(topic.kind, topic.id);
}

export function numberIn(topic: Topic): (event: Event) => number | null {
  return topic.kind === 'conversation' ? (event) => event.conversationSeq : (event) => event.seq;
}

export function readTopic(
  db: Db,
  tenantId: string,
  topic: Topic,
  range: Omit<EventsPage, 'tenantId'>,
): Promise<Event[]> {
  const page = { tenantId, ...range };
  return topic.kind === 'conversation'
    ? readConversationEvents(db, topic.id, page)
    : readEvents(db, keyOf(topic), page);
}

/** How far each topic has come, by its key; what is not there is left out. */
export async function headsOf(db: Db, tenantId: string, topics: Topic[]): Promise<Map<string, StreamHead>> {
  const [heads, conversations] = await Promise.all([
    streamHeads(db, tenantId, withStream(topics).map(keyOf)),
    conversationHeads(
      db,
      tenantId,
      ofKind('conversation', topics).map((topic) => topic.id),
    ),
  ]);
  for (const [id, head] of conversations) heads.set(keyOf({ kind: 'conversation', id }), head);
  return heads;
}

/** How far one topic has come; refused when the tenant has none such. */
export async function headOf(db: Db, tenantId: string, topic: Topic): Promise<StreamHead> {
  const what = `${topic.kind} ${topic.id}`;
  // The row of a run has its tenant.
  if (topic.kind === 'run') found(await findRun(db, tenantId, topic.id), what);
  if (topic.kind === 'task') found(await findTask(db, tenantId, topic.id), what);
  const head = (await headsOf(db, tenantId, [topic])).get(keyOf(topic));
  // A tenant's begins with its first event.
  return topic.kind === 'tenant' ? (head ?? { seq: 0, ended: false, floor: 0 }) : found(head, what);
}

/** What is new in each topic, by its key: at most `limit` events of each. */
export async function readTails(
  db: Db,
  tenantId: string,
  tails: { topic: Topic; position: number }[],
  limit: number,
): Promise<Map<string, Event[]>> {
  const after = new Map(tails.map((tail) => [tail.topic, tail.position]));
  const topics = [...after.keys()];
  const tailOf = (topic: Topic, id: string) => ({ id, after: after.get(topic) ?? 0 });
  const [runs, conversations] = await Promise.all([
    readStreamTails(
      db,
      tenantId,
      withStream(topics).map((topic) => tailOf(topic, keyOf(topic))),
      limit,
    ),
    readConversationTails(
      db,
      tenantId,
      ofKind('conversation', topics).map((topic) => tailOf(topic, topic.id)),
      limit,
    ),
  ]);
  for (const [id, events] of conversations) runs.set(keyOf({ kind: 'conversation', id }), events);
  return runs;
}

/** A conversation has none of its own. */
function withStream(topics: Topic[]): Topic[] {
  return topics.filter((topic) => topic.kind !== 'conversation');
}

function ofKind(kind: Topic['kind'], topics: Topic[]): Topic[] {
  return topics.filter((topic) => topic.kind === kind);
}
