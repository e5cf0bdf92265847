// The token of the data folder: made once, made anew when its file is lost, left alone when a person revoked it.
import { beforeEach, expect, test } from 'vitest';
import {
  ensureFirstToken,
  ensureFolderToken,
  remakeFolderToken,
  type TokenFile,
} from '../../../../activities/store/access/data-folder-token.ts';
import { findToken, hashOfToken } from '../../../../activities/store/access/tokens.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { openTestStore } from '../../../support/store.ts';

function memoryFile(content?: string): TokenFile & { content: string | undefined } {
  const file = {
    content,
    read: async () => file.content,
    async write(value: string) {
      file.content = value;
    },
  };
  return file;
}

const {
  database: { db, pool },
} = await openTestStore();

beforeEach(async () => {
  await pool.query('delete from tokens');
});

async function counts(value: string | undefined): Promise<boolean> {
  return value !== undefined && (await findToken(db, defaultTenant, hashOfToken(value))) !== undefined;
}

test('a start makes the token once, and anew when the file is lost, empty or of another database', async () => {
  const file = memoryFile();
  const start = () => ensureFolderToken(db, defaultTenant, file);
  expect(await start()).toBe('made');
  const first = file.content;
  expect([await start(), file.content]).toEqual(['kept', first]);
  for (const lost of [undefined, '', 'pdr_of-another-database']) {
    const before = file.content;
    file.content = lost;
    expect(await start()).toBe('remade');
    expect([await counts(before), await counts(file.content)]).toEqual([false, true]);
  }
  expect(await counts(first)).toBe(false);
  const audit = await db
    .selectFrom('audit')
    .select(['actor', 'action'])
    .where('action', 'like', 'token-%')
    .orderBy('id')
    .execute();
  const remade = { actor: 'start', action: 'token-remake' };
  expect(audit).toEqual([{ actor: 'first start', action: 'token-create' }, remade, remade, remade]);
});

test('a death before the commit leaves the token that was, and the next start makes the file good', async () => {
  const file = memoryFile();
  await ensureFolderToken(db, defaultTenant, file);
  const before = file.content;
  file.content = undefined;
  const dies = async (value: string) => {
    await file.write(value);
    throw new Error('killed');
  };
  await expect(ensureFolderToken(db, defaultTenant, { ...file, write: dies })).rejects.toThrow('killed');
  expect([await counts(file.content), await counts(before)]).toEqual([false, true]);
  expect(await ensureFolderToken(db, defaultTenant, file)).toBe('remade');
  expect([await counts(file.content), await counts(before)]).toEqual([true, false]);
});

test('a token that a person revoked is not made anew by a start, but by the one who asks for it', async () => {
  const file = memoryFile();
  await ensureFolderToken(db, defaultTenant, file);
  const revoked = file.content;
  await db.updateTable('tokens').set({ revoked_at: new Date() }).execute();
  expect([await ensureFolderToken(db, defaultTenant, file), file.content]).toEqual(['revoked', revoked]);
  await remakeFolderToken(db, defaultTenant, file);
  expect([await counts(file.content), await counts(revoked)]).toEqual([true, false]);
});

test('of several starts at once one makes it, and an API alone makes only the first', async () => {
  const file = memoryFile();
  const starts = Array.from({ length: 4 }, () => ensureFolderToken(db, defaultTenant, file));
  expect((await Promise.all(starts)).toSorted()).toEqual(['kept', 'kept', 'kept', 'made']);
  expect(await counts(file.content)).toBe(true);
  expect(await ensureFirstToken(db, defaultTenant, async () => expect.fail('there is one'))).toBe(false);
});
