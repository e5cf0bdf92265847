// A start with a bucket of large content: its documents are there, its secret is nowhere, and one that cannot be used is
// said at once.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReadyView } from '../../workflows/contracts/system.ts';
import { findProcesses } from '../../worker/process-table.ts';
import { openTestBucket } from '../support/bucket.ts';
import {
  call,
  cleanUpServe,
  folder,
  prepareServe,
  runToItsEnd,
  start,
  startMs,
  startWhole,
  stop,
} from './served.ts';

const { settings } = await openTestBucket();
// This server looks at no signature.
const canary = 'canary-of-the-bucket';
const variables = {
  PERDURE_S3_BUCKET: settings.bucket,
  PERDURE_S3_ENDPOINT: settings.endpoint,
  PERDURE_S3_PREFIX: 'served/',
  PERDURE_S3_PATH_STYLE: 'on',
  AWS_ACCESS_KEY_ID: 'S3RVER',
  AWS_SECRET_ACCESS_KEY: canary,
};

beforeEach(prepareServe);
afterEach(cleanUpServe);

test('refuses a bucket that is not there in one sentence, and leaves nothing running', async () => {
  const started = start({ ...variables, PERDURE_S3_BUCKET: 'nothing-here' });
  expect(await started.ended).toBe(1);
  expect(started.out()).toContain(
    'perdure: The bucket nothing-here of PERDURE_S3_BUCKET cannot be used: it answered 404 (NoSuchBucket).\n',
  );
  expect(findProcesses((command) => command.includes(folder))).toEqual([]);
});

test('keeps the documents of runs in the bucket, and no secret of it anywhere', async () => {
  const started = await startWhole({ ...variables, PERDURE_KEEP_STATE: 'on' });
  const id = await runToItsEnd();
  const run = async () =>
    (await (await call(`/runs/${id}?include=state`)).json()) as { state: { content: string } | null };
  await expect.poll(async () => (await run()).state, { timeout: startMs }).not.toBeNull();
  const { state } = await run();
  const document = (await (await call(`/contents/${state?.content}`)).json()) as { run: { id: string } };
  expect(document.run.id).toBe(id);
  expect(readdirSync(path.join(folder, 'contents')).filter((name) => !name.startsWith('.'))).toEqual([]);
  const health = ReadyView.parse(await (await call('/health/ready')).json());
  expect([health.status, health.bucket?.state]).toEqual(['ready', 'up']);
  await stop(started);
  const logs = readdirSync(path.join(folder, 'logs')).map((name) =>
    readFileSync(path.join(folder, 'logs', name), 'utf8'),
  );
  expect(logs.length).toBeGreaterThan(2);
  for (const text of [started.out(), ...logs]) expect(text).not.toContain(canary);
});
