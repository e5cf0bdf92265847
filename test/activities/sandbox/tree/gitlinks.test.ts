import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { gitlinksOf } from '../../../../activities/sandbox/tree/gitlinks.ts';

function aFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-gitlinks-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const names = ['dir/mod', 'some/long/name/of/a/module', 'x'];

/** With files around its links, so that names share their beginnings. */
function aRepository(folder: string, format: 'sha1' | 'sha256', version: number): void {
  const git = (...args: string[]): void => void execFileSync('git', ['-C', folder, ...args]);
  git('init', '-q', `--object-format=${format}`);
  mkdirSync(path.join(folder, 'dir/deep'), { recursive: true });
  for (const name of ['a', 'dir/b', 'dir/deep/file', 'zz']) writeFileSync(path.join(folder, name), name);
  git('add', '.');
  const hash = '1'.repeat(format === 'sha1' ? 40 : 64);
  for (const name of names) git('update-index', '--add', '--cacheinfo', `160000,${hash},${name}`);
  git('update-index', '--index-version', String(version));
  writeFileSync(path.join(folder, 'meant'), '');
  // Which only the later versions can say.
  if (version > 2) git('add', '--intent-to-add', 'meant');
}

test('the links of an index are found, whatever its version and its hashes are', async () => {
  const cases = (['sha1', 'sha256'] as const).flatMap((format) =>
    [2, 3, 4].map((version) => ({ format, version })),
  );
  const found = await Promise.all(
    cases.map(async ({ format, version }) => {
      const folder = aFolder();
      aRepository(folder, format, version);
      const links = await gitlinksOf(folder, path.join(folder, '.git'));
      return { format, version, links: links.map((each) => path.relative(folder, each)) };
    }),
  );
  expect(found).toEqual(cases.map((each) => ({ ...each, links: names })));
});

test('the index of a worktree is found by what its .git file names, and one that cannot be read has no links', async () => {
  const folder = aFolder();
  aRepository(folder, 'sha1', 2);
  const elsewhere = aFolder();
  writeFileSync(path.join(elsewhere, '.git'), `gitdir: ${folder}/.git\n`);
  const broken = aFolder();
  mkdirSync(path.join(broken, '.git'));
  writeFileSync(path.join(broken, '.git/index'), 'DIRC\0\0\0\x02\0\0\x10\0none');
  const linksIn = (each: string) => gitlinksOf(each, path.join(each, '.git'));
  expect([await linksIn(elsewhere), await linksIn(broken), await linksIn(aFolder())]).toEqual([
    names.map((name) => path.join(elsewhere, name)),
    [],
    [],
  ]);
});
