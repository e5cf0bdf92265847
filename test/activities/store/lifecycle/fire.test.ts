// What fire and wake-ups, which are no messages, take from the run that they go on from.
import { expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { listMailbox } from '../../../../activities/store/delegation/mailbox.ts';
import { fire, wakeUp } from '../../../../activities/store/lifecycle/fire.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { askingRun, reports } from '../../../support/delegating.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;
await ensureBuiltIns(db, defaultTenant);

const starter = { tenantId: defaultTenant, by: 'test', requestId: 'request-2' };
const keep = async (): Promise<string> => 'kept';
const policy = 'headless-permissive-sandbox';

const ways = {
  fire: (conversationId: string) =>
    store.log.write('fire', (write) => fire(write, startNeeds, starter, { conversationId }, keep)),
  'wake-up': (id: string) =>
    store.log.write('wake-up', (write) => wakeUp(write, startNeeds, { id, tenantId: defaultTenant }, keep)),
};

test.each(Object.entries(ways))(
  'a %s goes on with the risk that was accepted for the run before, and without it leaves the report pending',
  async (_, goOn) => {
    for (const acceptNoContainment of [true, false]) {
      const { parent, children } = await askingRun(store, 1, { wakeUp: 'auto', policy, acceptNoContainment });
      await store.end(parent);
      await reports(store, children[0] as RunRow, 'Done.');
      const conversationId = parent.conversation_id;
      const accepted = await goOn(conversationId).then(({ run }) => run.accept_no_containment, String);
      expect(accepted).toEqual(acceptNoContainment || expect.stringContaining('requires a sandbox'));
      const [report] = await listMailbox(db, { tenantId: defaultTenant, conversationId, limit: 1 });
      expect(report?.state).toBe(acceptNoContainment ? 'delivered' : 'pending');
    }
  },
);
