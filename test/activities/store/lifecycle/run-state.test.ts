// The document of an ended run: whole, by its hash, there before the run names it, and written anew where it is gone.
import { createHash, randomBytes } from 'node:crypto';
import pino from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import { keepState, listWithoutState, stateOf } from '../../../../activities/store/lifecycle/run-state.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import type { Contents } from '../../../../activities/store/log/contents.ts';
import { nameContents } from '../../../../activities/store/runs/parts.ts';
import { createContentsChore } from '../../../../api/upkeep/contents-chore.ts';
import { createStateChore } from '../../../../api/upkeep/state-chore.ts';
import { contentsKinds } from '../../../support/contents.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;
// Each test has a place of its own, where what others put is not.
beforeEach(() => store.database.pool.query('truncate runs, contents cascade'));
const quiet = pino({ level: 'silent' });

/** What a process that has started does at its first pass, with the lines it logs. */
async function firstPass(contents: Contents): Promise<object[]> {
  const lines: object[] = [];
  const logger = pino({ base: null }, { write: (line) => void lines.push(JSON.parse(line)) });
  await createContentsChore({ db, contents, logger }).act();
  await createStateChore({ db, contents, logger: quiet }).act();
  return lines;
}

async function ended() {
  const run = await store.started();
  await store.step(run, 1, { text: 'Done.' });
  await store.end(run);
  return store.run(run.id);
}

async function documentOf(contents: Contents, runId: string) {
  const { state_hash: key } = await store.run(runId);
  const found = key === null ? undefined : await contents.get(defaultTenant, key);
  if (found) expect(createHash('sha256').update(found.bytes).digest('hex')).toBe(key);
  return found && JSON.parse(found.bytes.toString());
}

test('a long run goes in pages, none of its messages lost or twice', async () => {
  const run = await ended();
  const rows = Array.from({ length: 250 }, (_, position) => ({
    ...{ run_id: run.id, tenant_id: defaultTenant, step: 2, phase: 0, position, role: 'user' },
    text: `Message ${position}.`,
  }));
  await db.insertInto('messages').values(rows).execute();
  const pieces: Buffer[] = [];
  for await (const piece of stateOf(db, run)) pieces.push(piece);
  const { messages, displayMessages } = JSON.parse(Buffer.concat(pieces).toString());
  const texts = ['Say hello.', 'Done.', ...rows.map(({ text }) => text)];
  const said = (list: { text: string }[]): string[] => list.map(({ text }) => text);
  expect([said(messages), said(displayMessages)]).toEqual([texts, texts]);
});

describe.each(await contentsKinds())('$kind', ({ open }) => {
  test('it has the run, what people saw and what its model saw; a run at work has none', async () => {
    const { contents } = await open(db);
    const active = await store.started();
    const run = await ended();
    await firstPass(contents);
    expect(await documentOf(contents, active.id)).toBeUndefined();
    expect(await documentOf(contents, run.id)).toMatchObject({
      version: 1,
      run: { id: run.id, status: 'succeeded' },
      displayMessages: [
        { id: '0.input.0', text: 'Say hello.' },
        { id: '1.assistant.0', text: 'Done.' },
      ],
      messages: [
        { step: 0, phase: 'input', text: 'Say hello.' },
        { step: 1, phase: 'assistant', text: 'Done.' },
      ],
    });
    expect(await listWithoutState(db, 10)).toEqual([]);
  });

  test('a process that dies between the document and its name leaves what the next one writes again, and no run loses', async () => {
    const { contents } = await open(db);
    const run = await ended();
    const dying: Contents = {
      ...contents,
      async take(...given) {
        await contents.take(...given);
        throw new Error('killed');
      },
    };
    await expect(keepState(db, dying, run)).rejects.toThrow('killed');
    expect(await documentOf(contents, run.id)).toBeUndefined();
    await firstPass(contents);
    expect(await documentOf(contents, run.id)).toMatchObject({ run: { id: run.id } });
    // Named, it stays; without its run it goes.
    const later = new Date(Date.now() + 1_000);
    await db.transaction().execute((tx) => contents.removeUnnamed(tx, defaultTenant, later));
    expect(await documentOf(contents, run.id)).toBeDefined();
  });

  test('what is named and not there any more is written anew at the next start', async () => {
    const { contents, empty } = await open(db);
    const run = await ended();
    await firstPass(contents);
    const { state_hash: key } = await store.run(run.id);
    const lose = {
      row: () => db.deleteFrom('contents').where('key', '=', key!).execute(),
      bytes: () => empty(),
    };
    for (const act of Object.values(lose)) {
      await act();
      expect(await firstPass(contents)).toMatchObject([{ level: 40, missing: 1 }]);
      expect((await store.run(run.id)).state_hash).toBe(key);
      expect(await documentOf(contents, run.id)).toBeDefined();
    }
    expect(await firstPass(contents)).toEqual([]);
  });

  test('what is named, not there, and no document is told by its key', async () => {
    const { contents, empty } = await open(db);
    const run = await ended();
    const bytes = randomBytes(2 * 2 ** 20);
    const [lost, small] = [
      await contents.put(defaultTenant, 'image/png', bytes),
      await contents.put(defaultTenant, 'image/png', Buffer.from('small')),
    ];
    const parts = [lost, small].map(
      (content) => ({ type: 'binary', mode: 'file', name: 'a', content }) as const,
    );
    await nameContents(db, run, parts);
    await contents.put(defaultTenant, 'image/png', randomBytes(2 * 2 ** 20));
    await empty();
    expect(await firstPass(contents)).toMatchObject([{ level: 50, missing: 1, keys: [lost] }]);
    await contents.put(defaultTenant, 'image/png', bytes);
    expect(await firstPass(contents)).toEqual([]);
  });

  test('runs whose document cannot be written hold up none behind them, and are told of in one line', async () => {
    const { contents } = await open(db);
    const runs = [];
    for (let count = 0; count < 21; count += 1) runs.push(await ended());
    const last = runs.pop()!;
    const odd: Contents = {
      ...contents,
      async take(tenantId, mediaType, source, ...rest) {
        const pieces: Buffer[] = [];
        for await (const piece of source) pieces.push(Buffer.from(piece));
        const text = Buffer.concat(pieces).toString();
        if (!text.includes(`"id":"${last.id}"`)) throw new Error('no room');
        return contents.take(tenantId, mediaType, [Buffer.from(text)] as never, ...rest);
      },
    };
    const lines: string[] = [];
    const logger = pino({ base: null }, { write: (line) => void lines.push(line) });
    const chore = createStateChore({ db, contents: odd, logger });
    // A pass ends when its time is up.
    while ((await documentOf(contents, last.id)) === undefined) await chore.act();
    expect(lines.map((line) => JSON.parse(line).runs)).toEqual([20]);
  });
});
