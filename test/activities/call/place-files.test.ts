// Files that messages carry, in the place of a run: there before its call acts, no change of its project, and nobody's to lose.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { placeFiles } from '../../../activities/call/place-files.ts';
import type { ActivityDeps } from '../../../activities/deps.ts';
import { withFiles } from '../../../activities/sandbox/open-files.ts';
import { createContents } from '../../../activities/store/log/contents.ts';
import { defaultTenant } from '../../../activities/store/db/database.ts';
import { placeOfPart, type StoredPart } from '../../../workflows/contracts/message.ts';
import { createTrees } from '../../../worker/processes/trees.ts';
import { openTestStore } from '../../support/store.ts';

const store = await openTestStore();
const folder = mkdtempSync(path.join(tmpdir(), 'perdure-place-'));
afterAll(() => rmSync(folder, { recursive: true }));
const contents = createContents(store.database.db, path.join(folder, 'contents'));
const deps = { log: store.log, contents, withFiles } as Partial<ActivityDeps> as ActivityDeps;

async function aFile(text: string): Promise<StoredPart> {
  const content = await contents.put(defaultTenant, 'text/plain', Buffer.from(text));
  return {
    type: 'binary',
    mode: 'file',
    name: 'notes.txt',
    mediaType: 'text/plain',
    size: text.length,
    content,
  };
}

const aProject = (): string => mkdtempSync(path.join(folder, 'project-'));

test('they are there for the run and for those that go on from it, and what is there already stays', async () => {
  const part = await aFile('first');
  const run = await store.started({ parts: [part] });
  const [one, other] = [aProject(), aProject()];
  const file = placeOfPart(part)!;
  await placeFiles(deps, run, one);
  expect(readFileSync(path.join(one, file), 'utf8')).toBe('first');
  writeFileSync(path.join(one, file), 'changed by the agent');
  await placeFiles(deps, run, one);
  expect(readFileSync(path.join(one, file), 'utf8')).toBe('changed by the agent');
  await store.end(run);
  const next = await store.accept({ conversationId: run.conversation_id });
  await placeFiles(deps, next.run, other);
  expect(readFileSync(path.join(other, file), 'utf8')).toBe('first');
});

test('they are no part of the project, for git as for what is recorded', async () => {
  const project = aProject();
  execFileSync('git', ['init', '-q', project]);
  writeFileSync(path.join(project, 'a.ts'), '1');
  const run = await store.started({ projectPath: project, parts: [await aFile('second')] });
  const trees = createTrees(folder);
  const before = await trees.begin(run, undefined, () => {});
  await placeFiles(deps, run, project);
  expect((await trees.record(run, { since: before.tree })).tree).toBe(before.tree);
  expect(execFileSync('git', ['-C', project, 'status', '--porcelain'], { encoding: 'utf8' })).toBe(
    '?? a.ts\n',
  );
});

test('a link in the place of their folder leads nowhere', async () => {
  const [project, outside] = [aProject(), path.join(folder, 'outside')];
  mkdirSync(outside);
  symlinkSync(outside, path.join(project, '.perdure-attachments'));
  const run = await store.started({ parts: [await aFile('third')] });
  expect(await placeFiles(deps, run, project)).toMatch(
    /^Attached files that could not be put in place: 1\. /,
  );
  expect(existsSync(path.join(outside, '.gitignore'))).toBe(false);
});

test('one whose bytes were lost keeps no other from its place', async () => {
  const files = path.join(folder, 'lost');
  const outside = createContents(store.database.db, files, undefined, 0);
  const content = await outside.put(defaultTenant, 'text/plain', Buffer.from('fourth'));
  rmSync(files, { recursive: true });
  const [lost, there] = [{ ...(await aFile('')), content }, await aFile('fifth')];
  const [project, run] = [aProject(), await store.started({ parts: [lost, there] })];
  expect(await placeFiles({ ...deps, contents: outside }, run, project)).toBe(
    `Attached files that could not be put in place: 1. Content ${content} has a row and is nowhere: it was lost.`,
  );
  expect(readFileSync(path.join(project, placeOfPart(there)!), 'utf8')).toBe('fifth');
});
