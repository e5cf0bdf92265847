import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { contentsKinds } from '../../../support/contents.ts';
import { openPatient } from '../../../support/patient.ts';
import { openTestStore } from '../../../support/store.ts';
import { createContents } from '../../../../activities/store/log/contents.ts';
import { defaultTenant, type Queries } from '../../../../activities/store/db/database.ts';

const { database, url } = await openTestStore();
const otherTenant = '00000000-0000-0000-0000-000000000001';

const kinds = await contentsKinds();
const mebibyte = 1024 * 1024;
describe.each(kinds)('$kind', ({ kind, open }) => {
  const told = `told of ${kind}`;

  for (const [where, size] of [
    ['nothing', 0],
    ['a row of a mebibyte', mebibyte],
    ['a byte more', mebibyte + 1],
    ['ten mebibytes', 10 * mebibyte],
  ] as const) {
    test(`content comes back as it was given: ${where}`, async () => {
      const { contents, names } = await open(database.db);
      const bytes = randomBytes(size);
      const key = await contents.put(defaultTenant, 'application/octet-stream', bytes);
      expect(key).toBe(createHash('sha256').update(bytes).digest('hex'));
      const got = await contents.get(defaultTenant, key);
      expect(got?.mediaType).toBe('application/octet-stream');
      expect(got?.bytes.equals(bytes)).toBe(true);
      expect(await names()).toEqual(size > mebibyte ? [key] : []);
    });
  }

  test('content that a transaction puts is there when that is, and takes no connection of its own', async () => {
    const { folder } = await open(database.db);
    const only = openPatient({ url, connections: 1, name: 'test-contents' });
    onTestFinished(() => only.close());
    const contents = createContents(only.db, folder);
    const putIn = async (tx: Queries) => contents.put(defaultTenant, 'text/plain', Buffer.from(told), tx);
    let key = '';
    const undone = only.db.transaction().execute(async (tx) => {
      key = await putIn(tx);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await contents.get(defaultTenant, key)).toBeUndefined();
    await only.db.transaction().execute(putIn);
    expect(await contents.get(defaultTenant, key)).toEqual({
      mediaType: 'text/plain',
      bytes: Buffer.from(told),
    });
  });

  test('the same bytes put many times at once are stored once and leave no half file', async () => {
    const { contents, names } = await open(database.db);
    const bytes = randomBytes(2 * mebibyte);
    const keys = await Promise.all(
      Array.from({ length: 6 }, () => contents.put(defaultTenant, 'text/plain', bytes)),
    );
    expect(new Set(keys).size).toBe(1);
    expect(await names()).toEqual([keys[0]]);
  });

  test('content of another tenant, or that nobody put, is not there', async () => {
    const { contents } = await open(database.db);
    const key = await contents.put(defaultTenant, 'text/plain', Buffer.from('mine'));
    expect(await contents.get(otherTenant, key)).toBeUndefined();
    expect(await contents.get(defaultTenant, '0'.repeat(64))).toBeUndefined();
  });
});
