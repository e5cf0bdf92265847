// The kinds of places that large content lies in: what one of them holds, the other holds too.
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { Db } from '../../activities/store/db/database.ts';
import { type BucketSettings, createBucket } from '../../activities/store/log/bucket.ts';
import { type Contents, createContents } from '../../activities/store/log/contents.ts';
import { openTestBucket } from './bucket.ts';

export interface TestContents {
  contents: Contents;
  /** Where content comes in. */
  folder: string;
  /** Of the bucket, where it is one. */
  settings: BucketSettings | undefined;
  /** Everything that lies anywhere in it, by its last name. */
  names(): Promise<string[]>;
  /** Makes all of that old. */
  age(): Promise<void>;
  /** Takes all of that away. */
  empty(): Promise<void>;
}

async function filesBelow(folder: string): Promise<string[]> {
  // A bucket has no folder before its first object.
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return found.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}

async function openIn(db: Db, settings?: BucketSettings, objects?: string): Promise<TestContents> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-contents-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const files = async (): Promise<string[]> => [
    ...(await filesBelow(folder)),
    ...(objects === undefined ? [] : await filesBelow(objects)),
  ];
  return {
    contents: createContents(db, folder, settings && createBucket(settings, db)),
    ...{ folder, settings },
    async names() {
      const names = (await files()).map((file) => path.basename(file));
      const isKept = (name: string): boolean =>
        !/\._S3rver_(metadata\.json|object\.md5)$|^owner\./.test(name);
      return names.filter(isKept).map((name) => name.replace(/\._S3rver_object$/, ''));
    },
    async age() {
      for (const file of await files()) await utimes(file, 1, 1);
    },
    async empty() {
      for (const file of await files()) if (!path.basename(file).startsWith('owner.')) await rm(file);
    },
  };
}

export interface ContentsKind {
  kind: string;
  /** For the test that calls it. */
  open(db: Db): Promise<TestContents>;
}

/** At the top of a file. */
export async function contentsKinds(): Promise<ContentsKind[]> {
  const { settings, folder } = await openTestBucket();
  let opened = 0;
  return [
    { kind: 'a folder', open: (db) => openIn(db) },
    {
      kind: 'a bucket',
      open(db) {
        opened += 1;
        const prefix = `place-${opened}/`;
        return openIn(db, { ...settings, prefix }, path.join(folder, 'contents', prefix));
      },
    },
  ];
}
