// A server that speaks S3 on loopback, with one bucket; closed and removed by itself.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import S3rver from 's3rver';
import { afterAll } from 'vitest';
import { createLimit } from '../../activities/store/db/limit.ts';
import type { BucketSettings } from '../../activities/store/log/bucket.ts';

/** The only credentials that it takes; given to processes as their environment. */
export const bucketEnvironment = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };

export interface TestBucket {
  settings: BucketSettings & { endpoint: string };
  /** Where it has its objects, each a file with something behind its name. */
  folder: string;
  close(): Promise<void>;
}

type Act = (...given: unknown[]) => Promise<unknown>;
const others = ['getObject', 'existsObject', 'listObjects', 'deleteObject'] as const;

/** What of s3rver has the objects. */
interface Store extends Record<(typeof others)[number], Act> {
  getResourcePath(bucket: string, key: string, resource: string): string;
  putMetadata(bucket: string, key: string, metadata: object, md5: string): Promise<void>;
  putObject(object: {
    bucket: string;
    key: string;
    content: AsyncIterable<Uint8Array>;
    metadata: object;
  }): Promise<{ size: number; md5: string }>;
}

/**
 * As S3 has it: an object is whole or not there, and stays as it was for a request that is reading it. s3rver writes into
 * the file that other requests read, answers before all of it is there, and removes folders that objects are put into.
 */
function makeAtomic(store: Store): void {
  const inTurn = createLimit(1);
  for (const name of others) {
    const act = store[name].bind(store);
    store[name] = (...given) => inTurn(() => act(...given));
  }
  store.putObject = async ({ bucket, key, content, metadata }) => {
    // Before its turn: the process that sends it may die in its middle.
    const bytes = await buffer(content);
    const md5 = createHash('md5').update(bytes).digest('hex');
    return inTurn(async () => {
      const file = store.getResourcePath(bucket, key, 'object');
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(`${file}.half`, bytes);
      await rename(`${file}.half`, file);
      await store.putMetadata(bucket, key, metadata, md5);
      return { size: bytes.length, md5 };
    });
  };
}

/** `folder`, `port`: of one that was closed, to go on with it. */
export async function openTestBucket({ folder = '', port = 0 } = {}): Promise<TestBucket> {
  Object.assign(process.env, bucketEnvironment);
  const directory = folder === '' ? await mkdtemp(path.join(tmpdir(), 'perdure-bucket-')) : folder;
  const server = new S3rver({
    address: '127.0.0.1',
    port,
    silent: true,
    directory,
    configureBuckets: [{ name: 'contents', configs: [] }],
  });
  makeAtomic((server as unknown as { store: Store }).store);
  const { port: listening } = await server.run();
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= server.close();
    return closed;
  };
  afterAll(async () => {
    await close();
    await rm(directory, { recursive: true, force: true });
  });
  const endpoint = `http://127.0.0.1:${listening}`;
  return {
    settings: { bucket: 'contents', region: 'us-east-1', endpoint, prefix: 'perdure/', pathStyle: 'on' },
    folder: directory,
    close,
  };
}
