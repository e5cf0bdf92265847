import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { diffTree, diffTrees, recordTree } from '../../../activities/git/tree.ts';
import { openBench } from './project-bench.ts';

describe('what a tree holds', () => {
  test('what changed is told, untracked and deleted files included, as a diff people know', async () => {
    const { project, gitFolder, put, record, shell } = openBench();
    shell(
      'git init -q; echo one > kept; echo two > changed; echo three > removed; git add .; git commit -qm x; echo u > untracked',
    );
    const tree = await record();
    expect(await diffTree({ project, gitFolder, tree, maxBytes: 1000 })).toEqual({
      diff: '',
      files: [],
      truncated: false,
    });
    put('changed', 'zwei\n');
    put('new', 'new\n');
    shell('rm removed untracked; chmod +x kept; git add -A; git commit -qm y');
    expect(await diffTree({ project, gitFolder, tree, maxBytes: 100_000 })).toEqual({
      diff: [
        'diff --git a/changed b/changed',
        'index f719efd..5ee7f22 100644',
        '--- a/changed',
        '+++ b/changed',
        '@@ -1 +1 @@',
        '-two',
        '+zwei',
        'diff --git a/kept b/kept',
        'old mode 100644',
        'new mode 100755',
        'diff --git a/new b/new',
        'new file mode 100644',
        'index 0000000..3e75765',
        '--- /dev/null',
        '+++ b/new',
        '@@ -0,0 +1 @@',
        '+new',
        'diff --git a/removed b/removed',
        'deleted file mode 100644',
        'index 2bdf67a..0000000',
        '--- a/removed',
        '+++ /dev/null',
        '@@ -1 +0,0 @@',
        '-three',
        'diff --git a/untracked b/untracked',
        'deleted file mode 100644',
        'index 4ae8ef0..0000000',
        '--- a/untracked',
        '+++ /dev/null',
        '@@ -1 +0,0 @@',
        '-u',
        '',
      ].join('\n'),
      files: [
        { path: 'changed', status: 'modified' },
        { path: 'kept', status: 'modified' },
        { path: 'new', status: 'added' },
        { path: 'removed', status: 'deleted' },
        { path: 'untracked', status: 'deleted' },
      ],
      truncated: false,
    });
  });

  test('ignored files stay out, unless they were tracked or recorded before', async () => {
    const { put, record, shell, changes, names } = openBench();
    shell(
      "git init -q; printf 'no\\n*.log\\n' > .gitignore; echo x > forced.log; git add -f .; git commit -qm x; echo x > no; echo x > a",
    );
    const tree = await record();
    expect(names(tree)).toEqual(['.gitignore', 'a', 'forced.log']);
    put('.gitignore', 'no\n*.log\na\n');
    put('a', 'changed');
    put('forced.log', 'changed');
    put('no', 'changed');
    expect(await changes(tree)).toEqual({
      '.gitignore': 'modified',
      a: 'modified',
      'forced.log': 'modified',
    });
  });

  test('weird names, links, binaries and line ends are recorded as they are', async () => {
    const { put, record, shell, changes, names, project, gitFolder } = openBench();
    const weird = [
      '-rf',
      'new\nline',
      'tab\there',
      'quo"te',
      "apo'",
      'ünï',
      ' ',
      'back\\slash',
      ':(glob)*',
      '*.md',
      'git~1',
    ];
    for (const name of weird) put(`d/${name}`, name);
    put('crlf', 'a\r\nb\r\n');
    put('.gitattributes', '* text=auto eol=crlf working-tree-encoding=UTF-16 ident\n');
    put('binary', Buffer.from([0, 1, 2]));
    symlinkSync('/etc/passwd', path.join(project, 'link'));
    shell("printf x > $'bad\\xff'; mkfifo pipe; ln -s x .gitmodules");
    const tree = await record();
    const latin = weird.map((name) => `d/${Buffer.from(name).toString('latin1')}`);
    expect(names(tree).sort()).toEqual(
      [...latin, '.gitattributes', 'bad\xff', 'binary', 'crlf', 'link'].sort(),
    );
    const show = (name: string) =>
      execFileSync('git', ['--git-dir', gitFolder, 'show', `${tree}:${name}`], { encoding: 'utf8' });
    expect([show('crlf'), show('link')]).toEqual(['a\r\nb\r\n', '/etc/passwd']);
    put('binary', Buffer.from([0, 1, 3]));
    put('d/new\nline', 'changed');
    rmSync(path.join(project, 'link'));
    mkdirSync(path.join(project, 'link'));
    put('link/file', 'x');
    expect(await changes(tree)).toEqual({
      binary: 'modified',
      'd/new\nline': 'modified',
      link: 'deleted',
      'link/file': 'added',
    });
    expect((await diffTree({ project, gitFolder, tree, maxBytes: 10_000 })).diff).toContain(
      'Binary files a/binary and b/binary differ',
    );
  });

  test('files of nested repositories are files of the project', async () => {
    const { put, record, shell, changes, names } = openBench();
    shell(
      'git init -q; for d in born unborn born/deep; do git init -q $d; echo x > $d/file; done; cd born; git add file; git commit -qm x',
    );
    put('fake/.git', 'gitdir: /etc\n');
    put('fake/file', 'x');
    const tree = await record();
    expect(names(tree)).toEqual(['born/deep/file', 'born/file', 'fake/file', 'unborn/file']);
    put('born/file', 'changed');
    put('unborn/new', 'x');
    expect(await changes(tree)).toEqual({ 'born/file': 'modified', 'unborn/new': 'added' });
  });

  test("what hides behind a link is not the project's", async () => {
    const { folder, put, record, project, names, changes } = openBench();
    put('d/file', 'x');
    const tree = await record();
    mkdirSync(path.join(folder, 'outside'));
    writeFileSync(path.join(folder, 'outside/file'), 'secret');
    renameSync(path.join(project, 'd'), path.join(project, 'e'));
    symlinkSync(path.join(folder, 'outside'), path.join(project, 'd'));
    expect(await changes(tree)).toEqual({ d: 'added', 'd/file': 'deleted', 'e/file': 'added' });
    expect(names(await record())).toEqual(['d', 'e/file']);
  });

  test('a huge file is noted by size and time, and the data folder is left out', async () => {
    const { project, gitFolder, put, changes, folder } = openBench();
    put('huge', '');
    truncateSync(path.join(project, 'huge'), 65 * 1024 * 1024);
    put('.perdure/token', 'secret');
    const exclude = path.join(project, '.perdure');
    const tree = await recordTree({ project, gitFolder, exclude });
    const { diff, files } = await diffTree({ project, gitFolder, exclude, tree, maxBytes: 1000 });
    expect([diff, files]).toEqual(['', []]);
    truncateSync(path.join(project, 'huge'), 66 * 1024 * 1024);
    expect(await changes(tree)).toMatchObject({ huge: 'modified' });
    expect(existsSync(path.join(folder, 'data/trees/x.git/objects'))).toBe(true);
  });

  test('thousands of files are recorded in parts and packed, as the tree git itself makes of them', async () => {
    const { project, gitFolder, put, shell, changes } = openBench();
    const contents = ['', 'x', 'a\r\nb\r\n', Buffer.from([0, 255, 0]), 'the same\n'.repeat(999)];
    for (let at = 0; at < 5_200; at += 1)
      put(`d${at % 7}/${at}`, contents[at % 11] ?? `${at}\n`.repeat(at % 50));
    put('.gitattributes', '* text eol=crlf filter=x\n');
    shell('chmod +x d1/1; ln -s d1/1 link; ln -s none dangling');
    const told: [number, number][] = [];
    const tree = await recordTree({ project, gitFolder, progress: (...of) => told.push(of) });
    const its =
      'git init -q; echo "* -text -filter" > .git/info/attributes; git add -A; git write-tree; rm -r .git';
    expect([tree, told]).toEqual([shell(its).trim(), [[5_000, 5_203]]]);
    // Beside two packs: the trees, the links and the two contents that are too short.
    const objects = readdirSync(gitFolder, { recursive: true, encoding: 'utf8' });
    const loose = objects.filter((name) => /^objects\/..\/.{38}$/.test(name));
    const packs = objects.filter((name) => name.endsWith('.pack'));
    expect([packs.length, loose.length]).toEqual([2, 8 + 2 + 2]);
    put('d1/1', 'changed');
    rmSync(path.join(project, 'd2/2'));
    expect(await changes(tree)).toEqual({ 'd1/1': 'modified', 'd2/2': 'deleted' });
  });

  test('a changed file of the same size and time is still seen', async () => {
    const { put, record, changes, project } = openBench();
    put('f', 'aaaa');
    const tree = await record();
    await record();
    const { atime, mtime } = lstatSync(path.join(project, 'f'));
    put('f', 'bbbb');
    utimesSync(path.join(project, 'f'), atime, mtime);
    expect(await changes(tree)).toEqual({ f: 'modified' });
  });

  test('for any change of files, the diff names exactly what differs', async () => {
    const { put, record, changes, project } = openBench();
    const name = fc.constantFrom('a', 'b', 'c', 'd/a', 'd/b', 'd/e/f', '.x');
    const world = fc.dictionary(name, fc.constantFrom('1\n', '2\n', '3\n'));
    await fc.assert(
      fc.asyncProperty(world, world, async (before, after) => {
        const become = (files: Record<string, string>): void => {
          for (const entry of readdirSync(project)) rmSync(path.join(project, entry), { recursive: true });
          for (const [file, content] of Object.entries(files)) put(file, content);
        };
        become(before);
        const tree = await record();
        become(after);
        const expected: Record<string, string> = {};
        for (const file of Object.keys({ ...before, ...after })) {
          if (!Object.hasOwn(before, file)) expected[file] = 'added';
          else if (!Object.hasOwn(after, file)) expected[file] = 'deleted';
          else if (before[file] !== after[file]) expected[file] = 'modified';
        }
        expect(await changes(tree)).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });
});

describe('the git folder', () => {
  test('two runs may record the same project at once, and their trees share what is the same', async () => {
    const { put, record, gitFolder } = openBench();
    for (let index = 0; index < 50; index += 1) put(`f${index}`, `${index}`);
    const trees = await Promise.all(Array.from({ length: 6 }, record));
    expect(new Set(trees).size).toBe(1);
    const objects = () =>
      readdirSync(path.join(gitFolder, 'objects'), { recursive: true }).filter((name) => name.length > 30);
    expect(objects().length).toBe(51);
    put('f0', 'changed');
    await record();
    expect(objects().length).toBe(53);
    expect(readdirSync(path.join(gitFolder, 'indexes'))).toEqual(['last']);
  });

  test('two recorded trees are compared whatever the project holds by now', async () => {
    const { project, put, record, gitFolder } = openBench();
    put('a', '1\n');
    const from = await record();
    put('a', '2\n');
    const to = await record();
    rmSync(project, { recursive: true });
    const changes = await diffTrees({ gitFolder, from, to, maxBytes: 1000 });
    expect(changes.files).toEqual([{ path: 'a', status: 'modified' }]);
    expect(changes.diff).toMatch(/-1\n\+2\n$/);
  });

  test('a long diff is cut at a line and says so, while every file is still named', async () => {
    const { project, put, record, gitFolder } = openBench();
    const tree = await record();
    put('a', 'line\n'.repeat(1_000_000));
    put('b', 'x\n');
    const cut = await diffTree({ project, gitFolder, tree, maxBytes: 10_000 });
    expect([
      cut.truncated,
      cut.diff.length <= 10_000,
      cut.diff.endsWith('+line\n'),
      cut.files.map((file) => file.path),
    ]).toEqual([true, true, true, ['a', 'b']]);
  });

  test('a damaged index of an earlier recording is left behind', async () => {
    const { put, record, gitFolder } = openBench();
    put('a', 'x');
    const tree = await record();
    writeFileSync(path.join(gitFolder, 'indexes/last'), 'nonsense');
    expect(await record()).toBe(tree);
    expect(await record()).toBe(tree);
  });

  test('trouble is said in words', async () => {
    const { project, gitFolder, put, record } = openBench();
    put('a', 'x');
    await record();
    await expect(recordTree({ project: `${project}/none`, gitFolder })).rejects.toThrow(
      /^the project directory .* is gone$/,
    );
    const unknown = { gitFolder, from: 'f'.repeat(40), to: 'f'.repeat(40), maxBytes: 1 };
    await expect(diffTrees(unknown)).rejects.toThrow(/^git diff-tree failed: /);
    await expect(diffTrees({ ...unknown, to: '--output=/tmp/x' })).rejects.toThrow('not the hash of a tree');
  });
});
