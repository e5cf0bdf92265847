// What can be followed: the stream of a run, or all runs of a conversation by the conversation's own numbers.
import type { Db } from '../activities/store/database.ts';
import { readConversationEvents, readEvents } from '../activities/store/events.ts';
import { type Event, streamOf } from '../workflows/contracts/event.ts';

export interface Topic {
  kind: 'run' | 'conversation';
  id: string;
}

export function keyOf(topic: Topic): string {
  return topic.kind === 'run' ? streamOf('run', topic.id) : `conversation/${topic.id}`;
}

export function numberIn(topic: Topic): (event: Event) => number | null {
  return topic.kind === 'run' ? (event) => event.seq : (event) => event.conversationSeq;
}

export function readTopic(
  db: Db,
  tenantId: string,
  topic: Topic,
  range: { after: number; limit: number },
): Promise<Event[]> {
  const page = { tenantId, ...range };
  return topic.kind === 'run'
    ? readEvents(db, streamOf('run', topic.id), page)
    : readConversationEvents(db, topic.id, page);
}
