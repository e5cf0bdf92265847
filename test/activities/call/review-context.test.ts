import { expect, onTestFinished, test } from 'vitest';
import { reviewContextOf } from '../../../activities/call/review.ts';
import { defaultTenant, openDatabase } from '../../../activities/store/db/database.ts';
import { ensureBuiltIns } from '../../../activities/store/policies/policies.ts';
import { createProfiles } from '../../../activities/store/policies/policy-scopes.ts';
import { openTestStore } from '../../support/store.ts';

const store = await openTestStore();

test('what a review needs inside a transaction takes no second connection, which might never come', async () => {
  await ensureBuiltIns(store.database.db, defaultTenant);
  const run = await store.started();
  const only = openDatabase({ url: store.url, connections: 1, name: 'test-review' });
  onTestFinished(() => only.close());
  const profileOf = createProfiles();
  const context = await only.db
    .transaction()
    .execute((tx) => reviewContextOf({ tools: [], db: tx, profileOf, place: () => null }, run));
  expect(context.scopes).toMatchObject([{ scope: 'run', profile: { id: 'trusted-mount-autonomous' } }]);
});
