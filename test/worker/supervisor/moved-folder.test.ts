import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { v7 as uuid } from 'uuid';
import { afterAll, expect, test } from 'vitest';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { treeFolder, prepareDataFolder } from '../../../worker/data-folder.ts';
import { followMove } from '../../../worker/supervisor/moved-folder.ts';
import { openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const outer = realpathSync(mkdtempSync(path.join(tmpdir(), 'perdure-moved-')));
afterAll(() => rmSync(outer, { recursive: true }));

test('what lies in a data folder that was moved is followed, what lies elsewhere is left, and twice is once', async () => {
  const { db, url } = store.database;
  const [from, to] = [path.join(outer, 'a%_b'), path.join(outer, 'ü #2')];
  // One that only begins alike lies elsewhere.
  const projects = [`${from}/demo/1`, `${from}/work/x`, `${from}er/demo/1`, '/elsewhere', null];
  for (const projectPath of projects) await store.accept({ projectPath });
  const remembered = {
    ...{ tenant_id: defaultTenant, expires_at: new Date(), created_by: 'a person' },
    ...{ tool: 'shell', input_hash: 'a hash', allows: 'run `make`' },
  };
  for (const key of [`${from}/demo/1`, '/elsewhere']) {
    await db
      .insertInto('remembered_answers')
      .values({ ...remembered, id: uuid(), scope: 'project', key })
      .execute();
  }
  const data = prepareDataFolder(from);
  mkdirSync(treeFolder(from, `${from}/demo/1`), { recursive: true });
  expect(await followMove(data, url)).toBeUndefined();
  renameSync(from, to);
  const moved = prepareDataFolder(to);
  const state = async () => ({
    projects: (await db.selectFrom('runs').select('project_path').orderBy('id').execute()).map(
      ({ project_path }) => project_path,
    ),
    remembered: (await db.selectFrom('remembered_answers').select('key').orderBy('id').execute()).map(
      ({ key }) => key,
    ),
    trees: readdirSync(path.join(to, 'trees')),
    location: readFileSync(moved.locationFile, 'utf8'),
  });
  const told = [await followMove(moved, url), await followMove(moved, url)];
  expect(told).toEqual([from, undefined]);
  expect(await state()).toEqual({
    projects: [`${to}/demo/1`, `${to}/work/x`, `${from}er/demo/1`, '/elsewhere', null],
    remembered: [`${to}/demo/1`, '/elsewhere'],
    trees: [path.basename(treeFolder(to, `${to}/demo/1`))],
    location: `${to}\n`,
  });
});
