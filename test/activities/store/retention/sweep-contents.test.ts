import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Contents } from '../../../../activities/store/log/contents.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { sweepsOf } from '../../../../activities/store/retention/sweeps.ts';
import { contentsKinds, type TestContents } from '../../../support/contents.ts';
import { daysAgo, noFolders, pruneAll } from '../../../support/retention.ts';
import { aCall, anAttempt, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db, pool } = store.database;
const cutoffs = { contents: daysAgo(1), contentFiles: daysAgo(1) };
const large = 1024 * 1024 + 1;

async function makeOld({ age }: Pick<TestContents, 'age'>): Promise<void> {
  await pool.query(`update contents set created_at = now() - interval '2 days'`);
  await age();
}

const put = (contents: Contents, bytes: Buffer) => contents.put(defaultTenant, 'text/plain', bytes);

describe.each(await contentsKinds())('$kind', ({ open }) => {
  test('content goes a day after it was last put when no row names it, with its file, and stays while a call does', async () => {
    const opened = await open(db);
    const { contents } = opened;
    const run = await store.started();
    await store.step(run, 1, { calls: [aCall('1.0')] });
    const kept = await put(contents, randomBytes(large));
    const attempt = anAttempt(run, 'call/1.0');
    await store.claim(attempt);
    await store.record(attempt, { contentKey: kept, bytes: large });
    const [small, big] = [await put(contents, randomBytes(10)), await put(contents, randomBytes(large))];
    await makeOld(opened);
    const young = await put(contents, randomBytes(10));
    await pruneAll(store, cutoffs, sweepsOf(contents, noFolders));
    const there = async (key: string) => (await contents.get(defaultTenant, key)) !== undefined;
    expect(await Promise.all([kept, young, small, big].map(there))).toEqual([true, true, false, false]);
    expect(await opened.names()).toEqual([kept]);
  });

  test('files that a dead process left without a row go, finished or not, and no others', async () => {
    const opened = await open(db);
    const { contents, folder } = opened;
    const [kept, orphan] = [await put(contents, randomBytes(large)), await put(contents, randomBytes(large))];
    await pool.query('delete from contents where key = $1', [orphan]);
    await writeFile(path.join(folder, 'b'.repeat(64)), 'whole, without a row');
    await writeFile(path.join(folder, `.${'c'.repeat(64)}.half`), 'half');
    await makeOld(opened);
    await pool.query('update contents set created_at = now()');
    await writeFile(path.join(folder, 'd'.repeat(64)), 'its row is on its way');
    await pruneAll(store, cutoffs, sweepsOf(contents, noFolders));
    expect((await opened.names()).sort()).toEqual([kept, 'd'.repeat(64)].sort());
  });

  for (const [where, size] of [
    ['in a row', 10],
    ['beside its row', large],
  ] as const) {
    test(`whoever puts the same bytes while they are removed has them: ${where}`, async () => {
      const opened = await open(db);
      const { contents } = opened;
      const sweeps = sweepsOf(contents, noFolders);
      const bytes = randomBytes(size);
      const key = await put(contents, bytes);
      for (let round = 0; round < 12; round += 1) {
        await makeOld(opened);
        // Also files whose row has just gone, as by a death between the two.
        if (round % 3 === 2) await pool.query('delete from contents');
        const sweeping = [1, 2].map(() => pruneAll(store, cutoffs, sweeps));
        const reading = Array.from({ length: 4 }, async () => {
          await put(contents, bytes);
          return (await contents.get(defaultTenant, key))?.bytes.equals(bytes);
        });
        expect(await Promise.all(reading)).toEqual([true, true, true, true]);
        await Promise.all(sweeping);
        expect((await contents.get(defaultTenant, key))?.bytes.equals(bytes)).toBe(true);
      }
    });
  }
});
