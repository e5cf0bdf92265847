import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { diffTree, recordTree } from '../../../activities/git/tree.ts';
import { openBench } from './project-bench.ts';

/** A project in the folder `app` of a repository, or of whatever the command makes around it. */
function openInside(command: string) {
  const { project: root, gitFolder, put, shell, names } = openBench();
  const project = path.join(root, 'app');
  mkdirSync(project);
  shell(command);
  return {
    put,
    shell,
    root,
    names: async () => names(await recordTree({ project, gitFolder })),
    start: () => recordTree({ project, gitFolder }),
    async changes(tree: string) {
      const { files } = await diffTree({ project, gitFolder, tree, maxBytes: 100_000 });
      return files.map((file) => file.path);
    },
  };
}

const commit = 'git add -A; git commit -qm x';
const files =
  'for f in kept dist/x a.log local node_modules/x; do mkdir -p app/$(dirname $f); echo x > app/$f; done';
const ignored = "printf 'dist/\\n*.log\\n/app/node_modules\\n/local\\n' > .gitignore";

test('a project in a folder of a repository has the ignore rules of that repository, with their places', async () => {
  const { names, put, changes, start } = openInside(`git init -q; ${ignored}; ${files}`);
  // `/local` is a file of the top, not of the project.
  expect(await names()).toEqual(['kept', 'local']);
  const tree = await start();
  put('app/new', 'x');
  put('app/deep/new.log', 'x');
  expect(await changes(tree)).toEqual(['new']);
});

test('info/exclude counts as it was at the start, so that no change of it hides what a run did', async () => {
  const { names, put, shell, start, changes } = openInside(
    `git init -q; ${files}; printf '# mine\\nnode_modules\\n' > .git/info/exclude`,
  );
  expect(await names()).toEqual(['a.log', 'dist/x', 'kept', 'local']);
  const tree = await start();
  shell('echo "hidden*" >> .git/info/exclude');
  put('app/hidden.sh', 'x');
  put('app/node_modules/y', 'x');
  expect(await changes(tree)).toEqual(['hidden.sh']);
});

test('a repository that is made around a project during a run hides nothing', async () => {
  const { root, put, shell, start, changes } = openInside('true');
  const tree = await start();
  shell('git init -q; echo "*.sh" > .gitignore');
  put('app/hidden.sh', 'x');
  expect([root.length > 0, await changes(tree)]).toEqual([true, ['hidden.sh']]);
});

test.each([
  ['its .gitignore', `git init -q; echo '*' > .gitignore; ${files}`],
  ['its info/exclude', `git init -q; echo /app > .git/info/exclude; ${files}`],
])('a repository that ignores the whole project by %s has no say in it', async (_how, command) => {
  expect(await openInside(command).names()).toEqual(['a.log', 'dist/x', 'kept', 'local', 'node_modules/x']);
});

const forced = `${ignored}; ${files}; git add -f app/a.log; ${commit}`;

test.each([
  ['a folder of a repository', `git init -q; ${forced}`],
  [
    'a worktree, whose info/exclude is that of its repository',
    `git init -q main; cd main; mkdir app; ${forced}; echo kept2 > .git/info/exclude; rm -d ../app
     git worktree add -q ../tree; cd ..; mv tree app; echo x > app/kept2; mkdir app/dist; echo x > app/dist/y; cd main; git worktree repair ../app 2>/dev/null`,
  ],
])('what is tracked and ignored as well is recorded in %s', async (_where, command) => {
  const all = await openInside(command).names();
  expect([
    all.filter((name) => name.endsWith('a.log')).length,
    all.filter((name) => /dist|kept2/.test(name)),
  ]).toEqual([1, []]);
});

test('what is tracked and ignored as well is recorded in a submodule, ignored itself or not', async () => {
  const { names, put, start, changes } = openInside(`
    git init -q lib; cd lib; echo '*.log' > .gitignore; echo x > a.log; echo x > b; git add -f .; git commit -qm x; cd ..
    rm -d app; git init -q app; cd app; echo x > a
    git -c protocol.file.allow=always submodule --quiet add ../lib one; git -c protocol.file.allow=always submodule --quiet add ../lib two
    ${commit}; echo two > .gitignore; echo x > one/c.log; echo scratch > ../scratch
    echo scratch > .git/modules/one/info/exclude; echo x > one/scratch`);
  const lib = (folder: string) => ['.gitignore', 'a.log', 'b'].map((name) => `${folder}/${name}`);
  expect(await names()).toEqual(['.gitignore', '.gitmodules', 'a', ...lib('one'), ...lib('two')]);
  const tree = await start();
  put('app/one/a.log', 'changed');
  put('app/two/a.log', 'changed');
  put('app/two/new', 'x');
  expect(await changes(tree)).toEqual(['one/a.log', 'two/a.log', 'two/new']);
});

test('a .git file or an index that points elsewhere shows nothing from there', async () => {
  const { names, shell } = openInside(`
    git init -q secret; cd secret; echo x > passwords; mkdir in; echo x > in/deep; ${commit}; cd ..
    echo "gitdir: ../secret/.git" > app/.git; ln -s ../secret/in app/in; echo x > app/own`);
  expect(await names()).toEqual(['in', 'own']);
  shell('rm app/.git; cd app; git init -q; git update-index --add --cacheinfo 160000,$(printf "%040d" 1),in');
  expect(await names()).toEqual(['in', 'own']);
});
