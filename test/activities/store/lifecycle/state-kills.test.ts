// Processes that keep documents of runs, or remove content, are killed between two of their steps, twice: rows and bytes
// agree after the next start, and what is left over goes with its time.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import pino from 'pino';
import { afterAll, expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { sweepsOf } from '../../../../activities/store/retention/sweeps.ts';
import { createContentsChore } from '../../../../api/upkeep/contents-chore.ts';
import { createStateChore } from '../../../../api/upkeep/state-chore.ts';
import { contentsKinds, type TestContents } from '../../../support/contents.ts';
import type { KeeperOrder } from '../../../support/mortal-keeper.ts';
import { untilDisconnected } from '../../../support/postgres.ts';
import { daysAgo, noFolders, pruneAll } from '../../../support/retention.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db, pool } = store.database;
afterAll(() => untilDisconnected(pool, 'mortal-keeper'));
const program = path.join(import.meta.dirname, '../../../support/mortal-keeper.ts');

async function killedAt(point: KeeperOrder['point'], { folder, settings }: TestContents): Promise<void> {
  const child = fork(program, { execArgv: [] });
  const order: KeeperOrder = { url: store.url, folder, bucket: settings, point };
  child.send(order);
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
}

/** The first pass of a process that starts now, with what it says. */
async function start({ contents }: TestContents): Promise<object[]> {
  const lines: object[] = [];
  const logger = pino({ base: null }, { write: (line) => void lines.push(JSON.parse(line)) });
  await createContentsChore({ db, contents, logger }).act();
  await createStateChore({ db, contents, logger }).act();
  return lines;
}

async function ended() {
  const run = await store.started();
  await store.step(run, 1, { text: 'Done.' });
  await store.end(run);
  return run;
}

test.each(
  (await contentsKinds()).flatMap(({ kind, open }) =>
    (['put', 'told'] as const).map((point) => ({ kind, open, point })),
  ),
)(
  'killed twice at "$point" with $kind: one document that the run names, and nothing beside it',
  async ({ open, point }) => {
    const opened = await open(db);
    await pool.query('truncate runs, contents cascade');
    const run = await ended();
    for (const _time of [1, 2]) {
      await killedAt(point, opened);
      expect((await store.run(run.id)).state_hash).toBeNull();
    }
    expect(await start(opened)).toEqual([]);
    const { state_hash: key } = await store.run(run.id);
    const found = await opened.contents.get(defaultTenant, key ?? '');
    expect(JSON.parse(found?.bytes.toString() ?? '{}')).toMatchObject({ run: { id: run.id } });
    // The pieces that came in while it was killed are there until their day is over.
    await pool.query(`update contents set created_at = now() - interval '2 days'`);
    await opened.age();
    const cutoffs = { contents: daysAgo(1), contentFiles: daysAgo(1) };
    await pruneAll(store, cutoffs, sweepsOf(opened.contents, noFolders));
    expect(await opened.names()).toEqual([key]);
    // Its run gone, so is it.
    await pool.query('truncate runs cascade');
    await pruneAll(store, cutoffs, sweepsOf(opened.contents, noFolders));
    expect(await opened.names()).toEqual([]);
    expect(await db.selectFrom('contents').selectAll().execute()).toEqual([]);
  },
);

test.each(await contentsKinds())(
  'killed twice in the middle of a removal with $kind: the next one ends it, and what is put again meanwhile is whole',
  async ({ open }) => {
    const opened = await open(db);
    await pool.query('truncate runs, contents cascade');
    const bytes = Buffer.alloc(2 ** 20 + 1, 7);
    const put = () => opened.contents.put(defaultTenant, 'text/plain', bytes);
    const key = await put();
    for (const _time of [1, 2]) {
      await killedAt('removed', opened);
      // The row is there and its bytes are not: of what nothing names nothing needs to be said.
      expect([await opened.names(), await start(opened)]).toEqual([[], []]);
    }
    await put();
    expect((await opened.contents.get(defaultTenant, key))?.bytes.equals(bytes)).toBe(true);
    await pool.query(`update contents set created_at = now() - interval '2 days'`);
    await pruneAll(store, { contents: daysAgo(1) }, sweepsOf(opened.contents, noFolders));
    expect(await db.selectFrom('contents').selectAll().execute()).toEqual([]);
  },
);
