// The parts of a message as they are stored.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { createContents } from '../../../activities/store/log/contents.ts';
import { storedParts } from '../../../api/verbs/input-parts.ts';
import type { VerbParts } from '../../../api/verbs/verb.ts';
import { openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const contents = createContents(store.database.db, '/nowhere');

test('two messages that carry the same files in another order are both taken', async () => {
  const keepContent: VerbParts['keepContent'] = async (queries, ...kept) => {
    const key = await contents.put(...kept, queries);
    // The other message has put its first file too.
    await sleep(200);
    return key;
  };
  const [one, other] = ['b25l', 'b3RoZXI='].map((data) => ({
    ...{ type: 'binary' as const, mediaType: 'text/plain', name: 'a.txt', data },
  }));
  const send = (parts: (typeof one)[]) =>
    store.log.write('send', (write) =>
      storedParts({ redact: String, keepContent }, write, defaultTenant, parts as never),
    );
  const [first, second] = await Promise.all([send([one, other]), send([other, one])]);
  expect(first).toEqual(second?.toReversed());
  expect(first?.map(({ content, size }) => [content?.slice(0, 8), size])).toEqual([
    ['7692c3ad', 3],
    ['d9298a10', 5],
  ]);
});
