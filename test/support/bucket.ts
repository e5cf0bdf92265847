// A server that speaks S3 on loopback, with one bucket; closed and removed by itself.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import S3rver from 's3rver';
import { afterAll } from 'vitest';
import type { BucketSettings } from '../../activities/store/log/bucket.ts';

/** The only credentials that it takes; given to processes as their environment. */
export const bucketEnvironment = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };

export interface TestBucket {
  settings: BucketSettings & { endpoint: string };
  /** Where it has its objects, each a file with something behind its name. */
  folder: string;
  close(): Promise<void>;
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
