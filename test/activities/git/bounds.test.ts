import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { PolicyProfile } from '../../../workflows/contracts/policy.ts';
import { createGitBounds } from '../../../activities/git/bounds.ts';
import { createMount } from '../../../activities/sandbox/mount/mount.ts';
import { call, decide, profileWith } from '../../workflows/policy/decide.ts';
import { openBench } from './project-bench.ts';

/** A project, programs that leave a mark when they are run, and a shell as runs have it. */
async function openTrapped() {
  const bench = openBench();
  const { folder, project } = bench;
  const [marks, traps] = [path.join(folder, 'marks'), path.join(folder, 'traps')];
  for (const each of [marks, traps]) mkdirSync(each);
  const gitBounds = createGitBounds({ folder: path.join(folder, 'data/bounds') });
  const markOf = (name: string): string => path.join(marks, name);
  const programs = process.env['PATH'] ?? '';
  const driver = createMount({ workFolder: path.join(folder, 'work'), programs, gitBounds });

  async function run(command: string, judged: boolean, projectPath = project): Promise<string> {
    const opened = await driver.open({ id: 'run', tenantId: 'tenant', projectPath });
    const sandbox = await opened.forCall();
    let output = '';
    await sandbox.exec({
      ...{ command, judged, key: 'run/1.0', signal: new AbortController().signal },
      onStart: async () => {},
      onOutput(_from, bytes) {
        output += bytes.toString();
      },
    });
    await opened.close('ended');
    return output;
  }

  return {
    ...bench,
    markOf,
    /** A program that leaves a mark of its name. As a filter it lets its input through. */
    trapFor(name: string): string {
      const trap = path.join(traps, name);
      writeFileSync(trap, `#!/bin/sh\n: > '${markOf(name)}'\ncat\n`);
      chmodSync(trap, 0o755);
      return trap;
    },
    person: (command: string) => bench.shell(`exec </dev/null; ${command} >/dev/null 2>&1 || true`),
    /** Which programs have run since this was last asked. */
    sprung(): string[] {
      const names = readdirSync(marks).sort();
      for (const name of names) rmSync(markOf(name));
      return names;
    },
    /** As a rule about commands lets it through. */
    async allowed(
      command: string,
      profile: PolicyProfile | string = 'headless-safe-sandbox',
      at = project,
    ): Promise<string> {
      const { decision, runs, reason } = decide(profile, call('execute', command));
      expect([command, decision, runs === undefined, reason]).toEqual([command, 'allow', false, reason]);
      return run(runs ?? '', true, at);
    },
    trusted: (command: string) => run(command, false),
  };
}

const repository =
  'git init -q -b main; git config user.name P; git config user.email p@example.org; echo one > a; echo x > b.evil; ' +
  'git add .; git commit -qm first; echo two >> a; git commit -qam second; echo three >> a; echo y >> b.evil; sleep 0.01; touch a b.evil';

// What the default profile allows of git, in a few chains.
const looking = [
  'git status && git status --short && timeout 20 git status --porcelain',
  'git diff; git diff --stat; git diff --name-status; git diff HEAD -- a; git diff --staged -- a; git diff --cached',
  'git log; git log --stat; git log -p -n 3; git log --oneline -- a',
  'git show; git show HEAD:a; git blame a; git grep one; git ls-files -m -o; git cat-file -p HEAD:a; git stash list',
  'git describe --always --dirty; git shortlog -sn HEAD; git branch -av; git tag -l; git for-each-ref; git reflog',
];
/** As profiles of people's own may, with all that has one reading. */
const every = profileWith([{ commands: ['**'], decision: 'allow' }]);
const more = [
  'git show; git blame a; git describe --always --dirty; git ls-files -m; git grep one; git st; git fetch',
  'git add -A && git commit -m third; git checkout -q HEAD~1 && git checkout -q main && git merge main',
  'git stash; git stash pop; git reset --hard HEAD~1; git submodule status; git diff --submodule=diff',
];

/**
 * What a project's files name to be run: how it is planted, `$T` being the trap, and how a person's git falls into it and
 * leaves the mark `$M`.
 */
type Plant = readonly [plant: string, falls: string];

/** A git that waits for its trap without an end. */
const untilTrapped = (command: string): string =>
  `{ timeout 60 ${command} & until [ -e "$M" ] || ! kill -0 $!; do sleep 0.02; done; kill $!; wait; }`;

// Beside each other as far as one does not hide the other.
const plants: Record<string, Plant>[] = [
  {
    'monitor-of-files': ['git config core.fsmonitor $T', 'git status'],
    'path-of-hooks': [
      'mkdir h; cp $T h/pre-commit; cp $T h/post-index-change; git config core.hooksPath "$PWD/h"',
      'git add a',
    ],
    pager: ['git config core.pager $T', "script -qec 'git log' /dev/null"],
    textconv: ['git config diff.evil.textconv $T; echo "* diff=evil" >> .gitattributes', 'git log -p'],
    filter: [
      'git config filter.evil.clean $T; git config filter.evil.smudge $T; git config filter.evil.required true; echo "*.evil filter=evil" >> .gitattributes',
      'git diff',
    ],
    alias: ['git config alias.st "!$T"', 'git st'],
    signing: ['git config commit.gpgSign true; git config gpg.program $T', 'git commit --allow-empty -m x'],
  },
  {
    'external-diff': ['git config diff.external $T', 'git diff'],
    hooks: [
      'for h in pre-commit post-index-change post-checkout reference-transaction; do cp $T .git/hooks/$h; done',
      'git add a',
    ],
    'filter-that-stays': [
      'git config filter.evil.process $T; echo "*.evil filter=evil" > .gitattributes',
      untilTrapped('git diff --no-ext-diff'),
    ],
    editor: ['git config core.editor $T', 'git commit --allow-empty'],
    include: [
      'printf "[core]\\n\\tfsmonitor = $T\\n" > inc; git config include.path "$PWD/inc"',
      'git status',
    ],
    remote: [
      'git config protocol.ext.allow always; git config remote.origin.url "ext::$T"; git config remote.origin.fetch "+refs/heads/*:refs/remotes/origin/*"',
      untilTrapped('git fetch'),
    ],
  },
  {
    'include-on-a-condition': [
      'mkdir h; cp $T h/pre-commit; cp $T h/post-index-change; printf "[core]\\n\\thooksPath = $PWD/h\\n" > inc; git config "includeIf.gitdir:**.path" "$PWD/inc"',
      'git add a',
    ],
    'configuration-of-the-work-tree': [
      'git config extensions.worktreeConfig true; git config --worktree core.fsmonitor $T',
      'git status',
    ],
    'driver-of-diffs': [
      'git config diff.evil.command $T; git config merge.evil.driver $T; echo "* diff=evil merge=evil" > .git/info/attributes',
      'git diff',
    ],
    submodule: [
      'git init -q sub; (cd sub; git config user.name P; git config user.email p@example.org; echo s > s; git add s; git commit -qm s; git config core.fsmonitor $T; git config filter.evil.clean $T; echo "* filter=evil" > .gitattributes); ' +
        'printf "[submodule \\"sub\\"]\\n\\tpath = sub\\n\\turl = ./sub\\n\\tignore = none\\n" > .gitmodules; git add sub .gitmodules; git commit -qm sub; echo t >> sub/s',
      'git status',
    ],
  },
];

test.each(plants)('what a project has git run is not run by an allowed git', async (planted) => {
  const { shell, person, trapFor, markOf, sprung, allowed, trusted } = await openTrapped();
  shell(repository);
  for (const [name, [plant]] of Object.entries(planted)) shell(`T='${trapFor(name)}'; ${plant}`);
  sprung();
  // The traps work: a person's git falls into them, and so does a command that a trusted profile let through.
  for (const [name, [, falls]] of Object.entries(planted)) person(`M='${markOf(name)}'; ${falls}`);
  expect(sprung()).toEqual(Object.keys(planted).sort());
  await trusted('git status; git diff; git log -p');
  expect(sprung()).not.toEqual([]);
  for (const command of looking) await allowed(command);
  expect(await allowed('git status --porcelain')).toMatch(/^ ?M +a$/m);
  for (const command of more) await allowed(command, every);
  expect(sprung()).toEqual([]);
});

/** A folder that git takes for a bare repository, and whose settings name a program. */
const bare = (folder: string) =>
  `mkdir -p ${folder}/objects/x ${folder}/refs/x; echo 'ref: refs/heads/main' > ${folder}/HEAD; ` +
  `printf "[core]\\n\\trepositoryformatversion = 0\\n\\tbare = false\\n\\tworktree = $PWD\\n\\tfsmonitor = $T\\n" > ${folder}/config`;

const nowhere = 'fatal: not a git repository';

test.each([
  ['what looks like a bare repository', bare('.')],
  [
    'a .git that leads to a folder which names no way back',
    `${bare('store')}; sed -i /worktree/d store/config; echo 'gitdir: store' > .git`,
  ],
  ['a .git that is a link', `${bare('store')}; ln -s store .git`],
  [
    'a .git that leads to a work tree of another repository',
    `${bare('r')}; mkdir -p w/worktrees/x; cp -r r/* w/worktrees/x; echo "$PWD/.git" > w/worktrees/x/gitdir; echo "$PWD/r" > w/worktrees/x/commondir; echo 'gitdir: w/worktrees/x' > .git`,
  ],
])('in a project without a repository, git finds none and runs nothing: %s', async (_what, plant) => {
  const { shell, person, trapFor, sprung, allowed } = await openTrapped();
  shell(`T='${trapFor('monitor')}'; ${plant}; mkdir -p one two; echo of-one > one/.env`);
  person('git status');
  expect(sprung()).toEqual(['monitor']);
  // Without a repository, git's own diff would compare the two folders.
  for (const command of [
    'git status',
    'git log',
    'timeout 60 git status -s',
    'set -e; timeout 60 git --no-pager diff one two',
  ]) {
    const said = await allowed(command);
    expect(said).toContain(nowhere);
    expect(said).not.toContain('of-one');
  }
  expect(sprung()).toEqual([]);
});

test('in a project with a repository, git stays in it, whatever was planted below or beside', async () => {
  const { folder, shell, person, trapFor, sprung, allowed } = await openTrapped();
  shell(
    `T='${trapFor('monitor')}'; ${repository}; mkdir -p bare nest link ../outside; echo s > ../outside/secret
    (cd bare; ${bare('.')}); (cd nest; ${bare('.git')}); (cd link; ${bare('store')}; echo 'gitdir: store' > .git)`,
  );
  for (const each of ['bare', 'nest', 'link']) {
    person(`cd ${each}; git status`);
    expect(sprung()).toEqual(['monitor']);
    const said = await allowed(`cd ${each} && git status && git log --oneline`, every);
    expect(said).toContain('modified:   ../a');
    expect(said).toContain('second');
  }
  shell(`git config core.worktree '${folder}/outside'`);
  expect(shell('git status --porcelain')).toContain('?? secret');
  expect(await allowed('git status --porcelain')).not.toContain('secret');
  expect(sprung()).toEqual([]);
});

test('a subdirectory, a linked work tree and a submodule are of the repository they belong to', async () => {
  const { folder, project, shell, allowed } = await openTrapped();
  shell(
    `${repository}; mkdir deep; echo d > deep/d; git worktree add -q -b side ../side; cd ../side; echo s > s
    cd '${project}'; git init -q ../origin; (cd ../origin; git -c user.name=P -c user.email=p@example.org commit -q --allow-empty -m of-sub)
    git -c protocol.file.allow=always submodule --quiet add ../origin sub; echo m > sub/m`,
  );
  const at = (place: string) => allowed('git status; git log --oneline', undefined, path.join(folder, place));
  expect(await at('project/deep')).toMatch(/On branch main[^]*modified: +\.\.\/a[^]*second/);
  expect(await at('side')).toMatch(/On branch side[^]*Untracked files[^]*\ts\n[^]*second/);
  expect(await at('project/sub')).toMatch(/Untracked files[^]*\tm\n[^]*of-sub/);
});

test('what an allowed git writes is in the repository, and others have their git as it is', async () => {
  const { shell, allowed, put, project } = await openTrapped();
  expect(await allowed('git status')).toContain(nowhere);
  await allowed('git init -q -b main', every);
  shell('git config user.name P; git config user.email p@example.org; git config core.hooksPath none');
  await allowed('git add . ; git commit -q --allow-empty -m first && git checkout -q -b topic', every);
  await allowed('git commit -q --allow-empty -m second && git pack-refs --all && git tag t', every);
  const said = shell(
    'git fsck --strict; git log --format=%s; git branch --show-current; git tag; git reflog topic | wc -l',
  );
  expect(said.split('\n')).toEqual(['second', 'first', 'topic', 't', '2', '']);
  put(
    'check',
    '#!/bin/sh\ngit config core.hooksPath; git init -q t && cd t && git rev-parse --show-toplevel\nenv | grep -c GIT_',
  );
  chmodSync(path.join(project, 'check'), 0o755);
  expect(await allowed('git log --format=%s && ./check', every)).toBe(
    `second\nfirst\nnone\n${project}/t\n0\n`,
  );
});

test('a command cannot take git out of its bounds', async () => {
  for (const command of [
    ...[
      'command git status',
      'env git status',
      '/usr/bin/git status',
      '/usr/lib/git-core/git-status',
      'git-status',
      'GIT status',
      'git merge-index ./x -a',
      'exec git status',
      'unset -f git; git status',
    ],
    ...[
      'GIT_DIR=x git status',
      'export GIT_DIR=x; git status',
      'git --git-dir=x status',
      'git -c core.pager=x log',
    ],
    ...["bash -c 'git status'", 'ls | xargs git log', 'PATH=. git status', 'timeout 5 timeout 5 git status'],
  ])
    expect([command, decide(every, call('execute', command)).original]).not.toEqual([command, 'allow']);
  const { shell, trapFor, sprung, allowed } = await openTrapped();
  shell(`T='${trapFor('monitor')}'; ${repository}; git config core.fsmonitor $T`);
  sprung();
  await allowed('perdure_bounds=x; git status', every);
  await allowed("g''it status; (git status); { git diff; } | cat; x=$(git status)", every);
  expect(sprung()).toEqual([]);
});

test('init makes a repository of its own, and commands of git that are scripts find their parts', async () => {
  const { shell, allowed, project } = await openTrapped();
  shell(repository);
  await allowed('git --no-pager init -q one; timeout 20 git init -q two', every);
  expect(shell('for each in one two; do git -C $each rev-parse --show-toplevel; done')).toBe(
    `${project}/one\n${project}/two\n`,
  );
  const said = await allowed('git submodule status && git bisect start HEAD HEAD~1; git bisect reset', every);
  expect(said).toContain('is the first bad commit');
  expect(
    await allowed('set -x; { git branch --show-current; timeout 60 git branch --show-current; } 2>&1', every),
  ).toBe('+ git branch --show-current\nmain\n+ timeout 60 git branch --show-current\nmain\n');
});

test('a setting that is too long for a program is left out', async () => {
  const { shell, put, allowed } = await openTrapped();
  shell(repository);
  put('long', `[remote "origin"]\n\turl = ${'x'.repeat(200_000)}\n`);
  shell('cat long >> .git/config; rm long');
  expect(await allowed('git status --short')).toContain(' M a');
});
