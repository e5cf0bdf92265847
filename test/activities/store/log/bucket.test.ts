// What only a bucket can do wrong: it is away, refuses, is another's, or gives back what was not put.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { defaultTenant, isStoreOutage } from '../../../../activities/store/db/database.ts';
import { untilStored } from '../../../../activities/store/db/until-stored.ts';
import { type BucketSettings, createBucket } from '../../../../activities/store/log/bucket.ts';
import { createContents } from '../../../../activities/store/log/contents.ts';
import { openTestBucket } from '../../../support/bucket.ts';
import { testPort } from '../../../support/ports.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;
const { db: other } = (await openTestStore()).database;
const { settings, folder: objects } = await openTestBucket();
const large = 2 ** 20 + 1;

async function folderOf(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-bucket-in-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

/** What a start says of it. */
async function problemOf(changes: Partial<BucketSettings>, queries = db): Promise<string | undefined> {
  const error = await createBucket({ ...settings, ...changes }, queries)
    .tryOut()
    .then(
      () => undefined,
      (thrown: Error) => thrown,
    );
  if (error) expect(isStoreOutage(error)).toBe(true);
  return error?.message;
}

function withEnvironment(changes: Record<string, string | undefined>): void {
  const before = { ...process.env };
  const set = (values: Record<string, string | undefined>): void => {
    for (const name of Object.keys(changes)) {
      if (values[name] === undefined) delete process.env[name];
      else process.env[name] = values[name];
    }
  };
  set(changes);
  onTestFinished(() => set(before));
}

test('a bucket that can be written to has no problem, and keeps no trace of the trial', async () => {
  expect(await problemOf({ prefix: 'trial/' })).toBeUndefined();
  expect(await readdir(path.join(objects, 'contents', 'trial'))).toEqual([
    expect.stringMatching(/^owner\./),
    expect.stringMatching(/^owner\./),
    expect.stringMatching(/^owner\./),
  ]);
});

test('a bucket that is not there, or that nothing serves, is said in one sentence', async () => {
  expect(await problemOf({ bucket: 'nothing-here' })).toBe(
    'The bucket nothing-here of PERDURE_S3_BUCKET cannot be used: it answered 404 (NoSuchBucket).',
  );
  expect(await problemOf({ endpoint: 'http://127.0.0.1:9' })).toBe(
    'The bucket contents of PERDURE_S3_BUCKET cannot be used: it could not be reached (ECONNREFUSED).',
  );
});

test('credentials that are wrong or missing are said, and no value of them', async () => {
  withEnvironment({ AWS_ACCESS_KEY_ID: 'UNKNOWN', AWS_SECRET_ACCESS_KEY: 'not-the-secret' });
  expect(await problemOf({})).toBe(
    'The bucket contents of PERDURE_S3_BUCKET cannot be used: it answered 403 (InvalidAccessKeyId).',
  );
  withEnvironment({
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_EC2_METADATA_DISABLED: 'true',
    HOME: '/nonexistent',
  });
  expect(await problemOf({})).toContain('no credentials were found for it');
});

test('what another database has below the same prefix is neither read nor written nor removed', async () => {
  const prefix = 'shared/';
  const mine = createBucket({ ...settings, prefix }, db);
  const key = 'a'.repeat(64);
  await mine.put(key, Buffer.from('mine'));
  expect(await problemOf({ prefix }, other)).toContain(
    "is another database's, as its object shared/owner says",
  );
  const theirs = createBucket({ ...settings, prefix }, other);
  await expect(theirs.remove(`aa/${key}`)).rejects.toThrow("another database's");
  const listing = async (): Promise<void> => {
    for await (const page of theirs.found(new Date())) expect(page).toEqual([]);
  };
  await expect(listing()).rejects.toThrow("another database's");
  expect(await mine.has(key)).toBe(true);
});

test('what is stored while the bucket is away is stored once it is back', async () => {
  const port = await testPort();
  const own = await openTestBucket({ port });
  const contents = createContents(db, await folderOf(), createBucket(own.settings, db));
  await contents.put(defaultTenant, 'text/plain', randomBytes(large));
  await own.close();
  const bytes = randomBytes(large);
  const storing = untilStored(() => contents.put(defaultTenant, 'text/plain', bytes));
  const health = createBucket(own.settings, db);
  await expect(health.ask()).rejects.toThrow('ECONNREFUSED');
  await openTestBucket({ folder: own.folder, port });
  expect((await contents.get(defaultTenant, await storing))?.bytes.equals(bytes)).toBe(true);
  await health.ask();
});

test('bytes that are not what was put are not given out', async () => {
  const contents = createContents(db, await folderOf(), createBucket({ ...settings, prefix: 'bad/' }, db));
  const key = await contents.put(defaultTenant, 'text/plain', randomBytes(large));
  const file = path.join(objects, 'contents', 'bad', key.slice(0, 2), `${key}._S3rver_object`);
  await writeFile(file, 'something else');
  await expect(contents.get(defaultTenant, key)).rejects.toThrow('its hash differs');
});

test('what lay in the folder before there was a bucket is still found, and goes as it would have', async () => {
  const folder = await folderOf();
  const before = createContents(db, folder);
  const bytes = randomBytes(large);
  const key = await before.put(defaultTenant, 'text/plain', bytes);
  const after = createContents(db, folder, createBucket({ ...settings, prefix: 'later/' }, db));
  expect((await after.get(defaultTenant, key))?.bytes.equals(bytes)).toBe(true);
  expect(await after.has(defaultTenant, key)).toBe(true);
  const later = new Date(Date.now() + 60_000);
  await db.transaction().execute((tx) => after.removeUnnamed(tx, defaultTenant, later));
  expect(await readdir(path.join(folder, key.slice(0, 2)))).toEqual([]);
});

test('objects below the prefix that are no content of ours stay', async () => {
  const prefix = 'mixed/';
  const bucket = createBucket({ ...settings, prefix }, db);
  const contents = createContents(db, await folderOf(), bucket);
  await bucket.put('b'.repeat(64), Buffer.from('an orphan'));
  await writeFile(path.join(objects, 'contents', 'mixed', 'notes.txt._S3rver_object'), 'of a person');
  const later = new Date(Date.now() + 60_000);
  expect((await contents.strays(db, later, 10)).map(({ name }) => name)).toEqual([`bb/${'b'.repeat(64)}`]);
});
