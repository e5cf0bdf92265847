// Logs, their rotation and large content on a disk that is full, and what comes when there is room again.
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createContents } from '../../../activities/store/log/contents.ts';
import { untilStored } from '../../../activities/store/db/until-stored.ts';
import { defaultTenant, openDatabase } from '../../../activities/store/db/database.ts';
import { followFile } from '../../../worker/logs/log-file.ts';
import { createLogging } from '../../../worker/logs/logging.ts';
import { rotateLogs } from '../../../worker/supervisor/process/rotate-logs.ts';
import { createTestDatabase } from '../../support/postgres.ts';
import { openSmallDisk, type SmallDisk } from '../../support/small-disk.ts';

let disk: SmallDisk;

beforeAll(async () => {
  disk = await openSmallDisk();
});

afterAll(async () => {
  await disk.remove();
});

test('log lines wait for a full disk, errors too, and come in order when there is room', async () => {
  const file = path.join(disk.folder, 'logs', 'api.log');
  const { logger } = createLogging({
    service: 'api',
    level: 'info',
    redact: (text) => text,
    to: followFile(file),
  });
  logger.error('before');
  disk.fill();
  // The rest of the page that the first line has begun, and more.
  for (let index = 0; index < 40; index += 1) logger.error({ index, filler: 'x'.repeat(200) }, 'meanwhile');
  logger.info('after');
  expect(readFileSync(file, 'utf8')).not.toContain('after');
  disk.empty();
  const lines = () => readFileSync(file, 'utf8').trim().split('\n');
  await expect.poll(() => lines().length).toBe(42);
  expect(lines().map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    'before',
    ...Array.from({ length: 40 }, () => 'meanwhile'),
    'after',
  ]);
});

test('a log that is too large gives up its oldest copies on a full disk, and none of them for nothing', () => {
  const folder = path.join(disk.folder, 'logs');
  const file = path.join(folder, 'worker.log');
  for (const [copy, megabytes] of [
    ['.2', 4],
    ['.1', 4],
    ['', 11],
  ] as const)
    appendFileSync(`${file}${copy}`, Buffer.alloc(megabytes * 1024 * 1024, `${copy}|`));
  disk.fill();
  // Both copies together make no room for a third.
  expect(() => rotateLogs(folder)).toThrow('ENOSPC');
  expect(statSync(file).size).toBe(11 * 1024 * 1024);
  writeFileSync(`${file}.3`, Buffer.alloc(4 * 1024 * 1024, 'three'));
  disk.fill(8 * 1024 * 1024);
  rotateLogs(folder);
  expect(readdirSync(folder).filter((name) => name.startsWith('worker'))).toEqual([
    'worker.log',
    'worker.log.1',
  ]);
  expect([statSync(file).size, statSync(`${file}.1`).size]).toEqual([0, 11 * 1024 * 1024]);
  disk.empty();
});

test('large content waits for room and leaves no piece of a try behind', async () => {
  const { url } = await createTestDatabase();
  const database = openDatabase({ url, connections: 2, name: 'full-disk' });
  try {
    const folder = path.join(disk.folder, 'contents');
    const contents = createContents(database.db, folder);
    const bytes = Buffer.alloc(3 * 1024 * 1024, 'content');
    disk.fill(64 * 1024);
    let stored = false;
    const storing = untilStored(() => contents.put(defaultTenant, 'text/plain', bytes)).then((key) => {
      stored = true;
      return key;
    });
    await expect.poll(() => readdirSync(disk.folder)).toContain('contents');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(stored).toBe(false);
    disk.empty();
    const key = await storing;
    expect((await contents.get(defaultTenant, key))?.bytes.equals(bytes)).toBe(true);
    expect(readdirSync(path.join(folder, key.slice(0, 2)))).toEqual([key]);
  } finally {
    await database.close();
  }
});
