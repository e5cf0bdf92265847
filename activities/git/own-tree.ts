// A copy of a recorded project for a run of its own: its files as recorded, its dependency folders as they are now, and a
// git repository of the run's own. It is made whole in another place first, so that a death half-way leaves none.
import { execFile } from 'node:child_process';
import { lstat, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { notesAmong } from './blobs.ts';
import { GitProblem, runGit } from './command.ts';
import { copyBelow } from './copy-below.ts';
import { dropIndex } from './folder.ts';
import { within } from './held-folder.ts';
import { isGone, readPlainFile } from './plain-file.ts';
import { findRepository } from './repository.ts';
import { readSettings } from './repository-settings.ts';
import { changesBetween } from './tree-changes.ts';
import { emptyFolder, requireTree } from './tree-entry.ts';

const run = promisify(execFile);

// Git knows it without having it.
const emptyTree = emptyFolder.hash;

// What is ignored and still needed to build and test; seen as it is, never recorded.
const dependencies = ['node_modules', '.venv', 'venv', 'vendor', '.pnpm-store', '.yarn'];
// A history above this is not copied: the repository then begins with one commit.
const mostObjectBytes = 500 * 1024 * 1024;

export interface OwnTree {
  project: string;
  gitFolder: string;
  /** As it was recorded. */
  tree: string;
  /** Where it comes to lie; nothing is done where it is there already. */
  folder: string;
  /** Of the repository's branch. */
  branch: string;
  /** To whom it is given, where this process may give it away. */
  owner?: { uid: number; gid: number };
}

export async function makeOwnTree(input: OwnTree): Promise<void> {
  const { project, gitFolder, tree, folder, owner } = input;
  requireTree(tree);
  if (await stat(folder).catch(() => undefined)) return;
  await removeUnfinished(folder);
  const made = `${folder}.${randomUUID()}.new`;
  await mkdir(made, { recursive: true, mode: 0o700 });
  try {
    await checkOut(gitFolder, tree, made);
    await copyLarge(input, made);
    await copyDependencies(project, made);
    await makeRepository(input, made);
    if (owner && process.getuid?.() === 0) await run('chown', ['-hR', `${owner.uid}:${owner.gid}`, made]);
    await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
    await rename(made, folder).catch((error: NodeJS.ErrnoException) => {
      // Another worker was first.
      if (!['ENOTEMPTY', 'EEXIST'].includes(error.code ?? '')) throw error;
    });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
}

// What makes one is ended after that time: an older one was left by a killed process.
const staleAfterMs = 10 * 60_000;

async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(dirname(folder)).catch(() => []);
  for (const name of names.filter(
    (each) => each.startsWith(`${basename(folder)}.`) && each.endsWith('.new'),
  )) {
    const left = join(dirname(folder), name);
    const age = Date.now() - ((await lookAt(left))?.mtimeMs ?? Date.now());
    if (age > staleAfterMs) await rm(left, { recursive: true, force: true });
  }
}

async function checkOut(gitFolder: string, tree: string, workTree: string): Promise<void> {
  const indexFile = join(gitFolder, 'indexes', randomUUID());
  try {
    await runGit({ gitFolder, indexFile, args: ['read-tree', tree] });
    await runGit({ gitFolder, workTree, indexFile, args: ['checkout-index', '--all', '--force'] });
  } finally {
    await dropIndex(indexFile);
  }
}

/** Of these the tree has a note only. One that is gone keeps the note, and is told as changed. */
async function copyLarge({ project, gitFolder, tree }: OwnTree, made: string): Promise<void> {
  const [all = []] = await changesBetween(gitFolder, [[emptyTree, tree]]);
  const notes = await notesAmong(gitFolder, all);
  for (const { path, to: entry } of all) {
    if (entry === null || !notes.has(entry.hash)) continue;
    const name = Buffer.from(path, 'latin1');
    const to = within(Buffer.from(made), name);
    await copyBelow({ root: project, path: name, kind: 'file', to, links: 'left-out' });
  }
}

/** At the top of the project and in the folders directly below it, as in a workspace of several packages. */
async function copyDependencies(project: string, made: string): Promise<void> {
  const inside = await readdir(project, { withFileTypes: true });
  const below = inside
    .filter((each) => each.isDirectory() && !each.name.startsWith('.'))
    .map(({ name }) => name);
  for (const folder of ['', ...below])
    for (const name of dependencies) {
      const path = join(folder, name);
      const to = join(made, path);
      const [there, known, parent] = await Promise.all([join(project, path), to, dirname(to)].map(lookAt));
      // What is recorded is there already, and what is a link would lead elsewhere.
      if (!there?.isDirectory() || known || !parent?.isDirectory()) continue;
      await copyBelow({
        ...{ root: project, path: Buffer.from(path), kind: 'folder', to: Buffer.from(to) },
        links: 'kept',
      });
    }
}

async function lookAt(path: string) {
  return lstat(path).catch((error: unknown) => {
    if (isGone(error)) return undefined;
    throw error;
  });
}

/** Nothing of the project's own but objects and the names of commits is taken over: no configuration and no hooks. */
async function makeRepository({ project, branch }: OwnTree, made: string): Promise<void> {
  // A file or folder of that name among what is recorded is impossible: git refuses it in a tree.
  const gitFolder = join(made, '.git');
  for (const name of ['objects/info', 'refs', 'info'])
    await mkdir(join(gitFolder, name), { recursive: true });
  await writeFile(join(gitFolder, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = false\n');
  await writeFile(join(gitFolder, 'HEAD'), `ref: refs/heads/${branch}\n`);
  const head = await copyHistory(project, gitFolder);
  const git = (...args: string[]) => runGit({ gitFolder, workTree: made, args });
  if (head !== undefined) {
    await git('update-ref', `refs/heads/${branch}`, head);
    await git('read-tree', 'HEAD');
    return;
  }
  await git('add', '--all');
  const settings = ['user.name=Perdure', 'user.email=perdure@localhost', 'commit.gpgSign=false'];
  const args = ['commit', '--quiet', '--allow-empty', '--message', 'The project as the run found it'];
  await runGit({ gitFolder, workTree: made, settings, args });
}

/** The commit the project stands at; undefined where it has none, or its history is not one to copy. */
async function copyHistory(project: string, gitFolder: string): Promise<string | undefined> {
  const repository = await findRepository(project);
  if (repository?.workTree !== project) return undefined;
  const { commonFolder, gitFolder: theirs } = repository;
  // A folder elsewhere in the project could be swapped for a link to another's repository.
  if (commonFolder.startsWith(`${project}/`) && commonFolder !== join(project, '.git')) return undefined;
  const objects = join(commonFolder, 'objects');
  const settings = await readSettings(commonFolder, ['config']);
  const isPlain =
    (await lookAt(objects))?.isDirectory() === true &&
    !settings.some(([name]) => name.startsWith('extensions.')) &&
    !(await lookAt(join(objects, 'info/alternates'))) &&
    !(await lookAt(join(commonFolder, 'shallow')));
  const head = (await readPlainFile(theirs, 'HEAD', 4096))?.toString('utf8').trim();
  if (!isPlain || head === undefined || (await bytesOf(objects)) > mostObjectBytes) return undefined;
  const take = (name: string): Promise<void> =>
    copyBelow({
      root: commonFolder,
      path: Buffer.from(name),
      kind: 'folder',
      to: Buffer.from(join(gitFolder, name)),
      links: 'left-out',
    });
  for (const name of await readdir(objects))
    if (/^([0-9a-f]{2}|pack)$/.test(name)) await take(`objects/${name}`);
  const packed = await readPlainFile(commonFolder, 'packed-refs', 16 * 1024 * 1024);
  if (packed) await writeFile(join(gitFolder, 'packed-refs'), packed);
  for (const kind of ['heads', 'tags']) await take(`refs/${kind}`);
  const name = head.startsWith('ref: ') ? head.slice('ref: '.length) : head;
  if (!/^(refs\/heads\/[^\s~^:?*[\\]+|[0-9a-f]{40})$/.test(name) || name.includes('..')) return undefined;
  try {
    const { output } = await runGit({
      gitFolder,
      args: ['rev-parse', '--verify', '--quiet', `${name}^{commit}`],
    });
    return output.toString('latin1').trim();
  } catch (error) {
    // A project without a commit yet.
    if (error instanceof GitProblem) return undefined;
    throw error;
  }
}

async function bytesOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const each of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (each.isFile())
      bytes += (await stat(join(each.parentPath, each.name)).catch(() => undefined))?.size ?? 0;
  return bytes;
}
