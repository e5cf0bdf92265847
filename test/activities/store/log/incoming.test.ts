import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { contentsKinds } from '../../../support/contents.ts';
import { openTestStore } from '../../../support/store.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';

const { database } = await openTestStore();
const mebibyte = 2 ** 20;

async function* piecesOf(bytes: Buffer, size = 65_536): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe.each(await contentsKinds())('$kind', ({ open }) => {
  test.each([0, 1, mebibyte, mebibyte + 1, 5 * mebibyte])(
    'what comes in pieces is the same content as what is put whole: %i bytes',
    async (size) => {
      const { contents, names } = await open(database.db);
      const bytes = randomBytes(size);
      const key = createHash('sha256').update(bytes).digest('hex');
      for (const _again of [1, 2])
        expect(await contents.take(defaultTenant, 'image/png', piecesOf(bytes), 5 * mebibyte)).toEqual({
          key,
          size,
        });
      expect((await contents.get(defaultTenant, key))?.bytes.equals(bytes)).toBe(true);
      expect(await names()).toEqual(size > mebibyte ? [key] : []);
      expect(await contents.put(defaultTenant, 'image/png', bytes)).toBe(key);
    },
  );

  test('more than is wanted is not read to its end, and leaves nothing', async () => {
    const { contents, names } = await open(database.db);
    let given = 0;
    let closed = false;
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) {
          given += mebibyte;
          yield Buffer.alloc(mebibyte);
        }
      } finally {
        closed = true;
      }
    }
    expect(await contents.take(defaultTenant, 'image/png', endless(), 3 * mebibyte)).toBeUndefined();
    expect([given, closed, await names()]).toEqual([4 * mebibyte, true, []]);
  });

  test('what breaks off leaves nothing', async () => {
    const { contents, names } = await open(database.db);
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(2 * mebibyte);
      throw new Error('the line went');
    }
    await expect(contents.take(defaultTenant, 'image/png', broken(), 5 * mebibyte)).rejects.toThrow(
      'the line went',
    );
    expect(await names()).toEqual([]);
  });
});
