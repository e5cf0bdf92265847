import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readProjectText } from '../../../activities/git/project-text.ts';

async function aProject(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-project-text-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
  return folder;
}

test('files that speak to agents are read in one order, each once', async () => {
  const project = await aProject({
    'CLAUDE.md': 'Use tabs.',
    'AGENTS.md': 'Use pnpm.',
    'GEMINI.md': 'Use pnpm.',
    '.github/copilot-instructions.md': 'Be short.',
    'docs/AGENTS.md': 'Of the docs alone.',
    '.cursorrules': '\n',
  });
  expect(await readProjectText(project, 1000)).toEqual({
    text:
      '## AGENTS.md\nUse pnpm.\n\n## CLAUDE.md\nUse tabs.\n\n## .github/copilot-instructions.md\nBe short.\n\n' +
      'Folders below have their own. Read that of a folder before you work in it:\n- docs/AGENTS.md',
    files: [
      { path: 'AGENTS.md', bytes: 9, cut: false },
      { path: 'CLAUDE.md', bytes: 9, cut: false },
      { path: '.github/copilot-instructions.md', bytes: 9, cut: false },
    ],
    leftOut: [
      { path: 'GEMINI.md', why: 'It says the same as one before it.' },
      { path: 'docs/AGENTS.md', why: 'It is of a folder below: that it is there is told.' },
    ],
  });
  expect(await readProjectText(await aProject({ 'README.md': 'Hello.' }), 1000)).toBeUndefined();
});

test('no link is followed, out of the project or inside, and no directory is read as a file', async () => {
  const outside = await aProject({ 'key.md': 'secret', 'folder/copilot-instructions.md': 'secret' });
  const project = await aProject({ 'docs/guide.md': 'Inside.', 'GEMINI.md/file': 'x' });
  await symlink(path.join(outside, 'key.md'), path.join(project, 'AGENTS.md'));
  await symlink('docs/guide.md', path.join(project, 'CLAUDE.md'));
  await symlink(path.join(outside, 'folder'), path.join(project, '.github'));
  await symlink('/dev/zero', path.join(project, '.cursorrules'));
  expect(await readProjectText(project, 1000)).toEqual({
    ...{ text: '', files: [] },
    leftOut: [
      { path: 'AGENTS.md', why: 'It is a link.' },
      { path: 'CLAUDE.md', why: 'It is a link.' },
      { path: 'GEMINI.md', why: 'It is no file.' },
      { path: '.github/copilot-instructions.md', why: 'It cannot be read.' },
      { path: '.cursorrules', why: 'It is a link.' },
    ],
  });
  await rm(path.join(project, 'AGENTS.md'));
  await link(path.join(project, 'docs/guide.md'), path.join(project, 'AGENTS.md'));
  expect((await readProjectText(project, 1000))?.text).toBe('## AGENTS.md\nInside.');
});

test('a long file is cut at what fits, between characters, and what comes after it is left out', async () => {
  const project = await aProject({ 'AGENTS.md': 'é'.repeat(600), 'CLAUDE.md': 'Use tabs.' });
  const read = await readProjectText(project, 1001);
  expect(read).toEqual({
    text: `## AGENTS.md (its beginning)\n${'é'.repeat(500)}`,
    files: [{ path: 'AGENTS.md', bytes: 1200, cut: true }],
    leftOut: [{ path: 'CLAUDE.md', why: 'There was no room beside those before it.' }],
  });
  const huge = await aProject({ 'AGENTS.md': 'x'.repeat(200_000) });
  expect((await readProjectText(huge, 10_000_000))?.text.length).toBeLessThan(33_000);
});

test('files of the folders above count up to the root of the repository, nearest first, and none of what lies above that', async () => {
  const root = await aProject({
    'AGENTS.md': 'Outside.',
    'repository/.git/HEAD': 'ref: refs/heads/main',
    'repository/AGENTS.md': 'Root.',
    'repository/packages/CLAUDE.md': 'Packages.',
    'repository/packages/cart/AGENTS.md': 'Cart.',
    'loose/AGENTS.md': 'Loose.',
    'loose/cart/AGENTS.md': 'Loose cart.',
  });
  const pathsOf = async (folder: string, most = 1000) =>
    (await readProjectText(path.join(root, folder), most))?.files.map((file) => file.path);
  expect(await pathsOf('repository/packages/cart')).toEqual(['AGENTS.md', '../CLAUDE.md', '../../AGENTS.md']);
  expect((await readProjectText(path.join(root, 'repository/packages/cart'), 1000))?.text).toBe(
    '## AGENTS.md\nCart.\n\n## ../CLAUDE.md\nPackages.\n\n## ../../AGENTS.md\nRoot.',
  );
  // The nearest has the room.
  expect(await pathsOf('repository/packages/cart', 5)).toEqual(['AGENTS.md']);
  expect(await pathsOf('repository')).toEqual(['AGENTS.md']);
  // Without a repository there is nothing to say how far up the project goes.
  expect(await pathsOf('loose/cart')).toEqual(['AGENTS.md']);
  // The run hears of it from the tools that it calls.
  expect(await pathsOf('repository/gone')).toBeUndefined();
});

test('of folders below the names are told, few of them, and no link is followed', async () => {
  const project = await aProject({
    'packages/cart/AGENTS.md': 'Cart.',
    'packages/cart/CLAUDE.md': 'Cart.',
    'docs/CLAUDE.md': 'Docs.',
    'node_modules/other/AGENTS.md': 'Other.',
    '.hidden/AGENTS.md': 'Hidden.',
    'a/b/c/d/AGENTS.md': 'Deep.',
    'odd\nname/AGENTS.md': 'Odd.',
  });
  await symlink(path.join(project, 'packages'), path.join(project, 'link'));
  const why = 'It is of a folder below: that it is there is told.';
  expect(await readProjectText(project, 1000)).toEqual({
    files: [],
    leftOut: ['docs/CLAUDE.md', 'packages/cart/AGENTS.md'].map((each) => ({ path: each, why })),
    text: 'Folders below have their own. Read that of a folder before you work in it:\n- docs/CLAUDE.md\n- packages/cart/AGENTS.md',
  });
  const many = await aProject(
    Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`${100 + index}/AGENTS.md`, 'x'])),
  );
  const named = (await readProjectText(many, 1000))?.leftOut.map((file) => file.path);
  expect([named?.length, named?.[0], named?.at(-1)]).toEqual([20, '100/AGENTS.md', '119/AGENTS.md']);
});
