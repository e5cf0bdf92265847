// Mailboxes of a test's store: filled by subagents, drained by continuations, and looked at.
import { defaultTenant } from '../../activities/store/db/database.ts';
import { listMailbox, listToWake } from '../../activities/store/delegation/mailbox.ts';
import type { Accepted } from '../../activities/store/lifecycle/accept-run.ts';
import { fire, wakeUp } from '../../activities/store/lifecycle/fire.ts';
import type { StartNeeds } from '../../activities/store/lifecycle/start-run.ts';
import { findListed } from '../../activities/store/runs/conversations.ts';
import { readContext } from '../../activities/store/runs/messages.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { WakeUp } from '../../workflows/contracts/delegation.ts';
import { askingRun, reports } from './delegating.ts';
import { startNeeds } from './start-needs.ts';
import type { TestStore } from './store.ts';

export const keep = async (): Promise<string> => 'kept';

export interface Mailboxes {
  asking(count: number, wakeUp?: WakeUp): ReturnType<typeof askingRun>;
  says(child: RunRow, text: string): Promise<void>;
  fired(run: RunRow, prompt?: string, needs?: Partial<StartNeeds>): Promise<Accepted>;
  woken(run: RunRow): Promise<Accepted>;
  /** Whether its conversation goes on by itself now; in the list: whether its time is over. */
  toWake(run: RunRow): Promise<boolean[]>;
  mailboxOf(run: RunRow): Promise<unknown[]>;
  pendingOf(run: RunRow): Promise<number | undefined>;
  /** What its model is told. */
  toldTo(run: RunRow): Promise<string[]>;
  /** The time to wait for its subagents is over. */
  passTime(run: RunRow): Promise<void>;
}

export function mailboxesIn(store: TestStore): Mailboxes {
  const { db } = store.database;
  return {
    asking: (count, wakeUp) => askingRun(store, count, wakeUp && { wakeUp }),
    says: (child, text) => reports(store, child, text),
    fired({ conversation_id: conversationId }, prompt, needs = {}) {
      const starter = { tenantId: defaultTenant, by: 'test', requestId: 'request-2' };
      return store.log.write('fire', (write) =>
        fire(write, { ...startNeeds, ...needs }, starter, { conversationId, prompt }, keep),
      );
    },
    woken: ({ conversation_id: id }) =>
      store.log.write('wake-up', (write) => wakeUp(write, startNeeds, { id, tenantId: defaultTenant }, keep)),
    async toWake({ conversation_id: id }) {
      return (await listToWake(db, 1000)).filter((each) => each.id === id).map(({ over }) => over);
    },
    async mailboxOf({ conversation_id: conversationId }) {
      const items = await listMailbox(db, { tenantId: defaultTenant, conversationId, limit: 100 });
      return items.map(({ callId, text, state, late, deliveredTo }) => [
        ...[callId, text, state, late, deliveredTo],
      ]);
    },
    async pendingOf({ conversation_id: id }) {
      return (await findListed(db, defaultTenant, id))?.pending_mailbox;
    },
    async toldTo(run) {
      const messages = await readContext(db, defaultTenant, run.id);
      return messages.filter(({ runId }) => runId === run.id).map(({ text }) => text);
    },
    async passTime({ conversation_id: id }) {
      await db
        .updateTable('conversations')
        .set({ wake_at: new Date(0) })
        .where('id', '=', id)
        .execute();
    },
  };
}
