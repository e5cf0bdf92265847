// Gives files of a project back what a recorded tree holds. What is not as expected stays as it is: the caller has
// compared before, and learns which files were in the way.
import { constants, type Stats } from 'node:fs';
import { lchown, lstat, mkdir, open, rmdir, statfs, unlink } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { GitProblem, runGit } from './command.ts';
import { dropIndex } from './folder.ts';
import { within, withFolder } from './held-folder.ts';
import { isGone } from './plain-file.ts';
import { maxFileBytes } from './record-files.ts';
import type { TreeChange } from './tree-changes.ts';
import { emptyFolder } from './tree-entry.ts';

interface Place {
  project: string;
  gitFolder: string;
}

/** Brings each file to its `to`. Returns the names of those that something else stands in the way of. */
export async function restoreFiles(place: Place, changes: readonly TreeChange[]): Promise<string[]> {
  await requireRoom(place, changes);
  const inTheWay: string[] = [];
  // What is below goes before its folder.
  const gone = changes.filter(({ to }) => to === null).sort((one, other) => (one.path < other.path ? 1 : -1));
  for (const { path } of gone) if (!(await removeFile(place, path))) inTheWay.push(path);
  const before = new Map<string, Stats | undefined>();
  const wanted: TreeChange[] = [];
  const made = changes.filter(({ to }) => to !== null).sort((one, other) => (one.path < other.path ? -1 : 1));
  for (const change of made) {
    const stat = await lookAt(place, change.path);
    if (!(await hasRoom(place, change, stat))) inTheWay.push(change.path);
    else if (change.to?.mode === emptyFolder.mode) await makeFolder(place, change.path);
    else {
      wanted.push(change);
      before.set(change.path, stat);
    }
  }
  if (wanted.length > 0) await checkOut(place, wanted);
  for (const { path, to } of wanted) await keepOwner(place, path, to?.mode ?? '', before.get(path));
  return inTheWay;
}

/** Before anything is touched: a file that is cut off by a full disk would be taken for another's change afterwards. */
async function requireRoom({ project, gitFolder }: Place, changes: readonly TreeChange[]): Promise<void> {
  const hashes = changes.flatMap(({ to }) => (to === null || to.mode === emptyFolder.mode ? [] : [to.hash]));
  const { bavail, bsize } = await statfs(project);
  // No look at each where all of them would fit however large they are.
  if (bavail * bsize >= hashes.length * (maxFileBytes + 2 * bsize)) return;
  const { output } = await runGit({
    gitFolder,
    args: ['cat-file', '--batch-check=%(objectsize)'],
    input: `${hashes.join('\n')}\n`,
  });
  const sizes = output.toString('latin1').trim().split('\n').map(Number);
  // Each file takes whole blocks, and its folder may grow by one.
  const blocks = sizes.reduce((sum, size) => sum + Math.ceil(size / bsize) + 1, 0);
  if (blocks > bavail)
    throw new GitProblem(`No space left on device: ${project} needs ${blocks * bsize} bytes to be restored`);
}

/** Git follows no link on the way to a file, and replaces a file instead of writing into it. */
async function checkOut({ project, gitFolder }: Place, wanted: readonly TreeChange[]): Promise<void> {
  const indexFile = join(gitFolder, 'indexes', randomUUID());
  const git = (args: string[], lines: string[]): Promise<unknown> => {
    const input = Buffer.from(lines.map((line) => `${line}\0`).join(''), 'latin1');
    return runGit({ gitFolder, workTree: project, indexFile, args, input });
  };
  try {
    await git(
      ['update-index', '-z', '--index-info'],
      wanted.map(({ path, to }) => `${to?.mode} ${to?.hash}\t${path}`),
    );
    await git(
      ['checkout-index', '--force', '-z', '--stdin'],
      wanted.map(({ path }) => path),
    );
  } finally {
    await dropIndex(indexFile);
  }
}

/** True where it is gone, with the folders that are empty without it. */
async function removeFile(place: Place, path: string): Promise<boolean> {
  if (!(await hasRealParents(place, path))) return false;
  const stat = await lookAt(place, path);
  try {
    if (stat) await at(place, path, stat.isDirectory() ? rmdir : unlink);
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) return false;
    if (!isGone(error)) throw error;
  }
  for (let above = parentOf(path); above !== ''; above = parentOf(above)) {
    try {
      await at(place, above, rmdir);
    } catch (error) {
      if (['ENOTEMPTY', 'EEXIST'].includes(codeOf(error)) || isGone(error)) break;
      throw error;
    }
  }
  return true;
}

/** Whether nothing but the file that is replaced, or an empty folder, has the name, and only folders lead there. */
async function hasRoom(
  place: Place,
  { path, from, to }: TreeChange,
  stat: Stats | undefined,
): Promise<boolean> {
  if (!(await hasRealParents(place, path))) return false;
  const isForFolder = to?.mode === emptyFolder.mode;
  if (stat === undefined || (isForFolder && stat.isDirectory())) return true;
  if (!stat.isDirectory()) {
    // Where none was recorded, one that is there was never compared: it is another's.
    const isReplaced = from !== null && (stat.isFile() || stat.isSymbolicLink());
    if (isReplaced && isForFolder) await at(place, path, unlink);
    return isReplaced;
  }
  return at(place, path, rmdir).then(
    () => true,
    () => false,
  );
}

/** Those that are there are folders, and no links. */
async function hasRealParents(place: Place, path: string): Promise<boolean> {
  for (let above = parentOf(path); above !== ''; above = parentOf(above)) {
    const stat = await lookAt(place, above);
    if (stat !== undefined && !stat.isDirectory()) return false;
  }
  return true;
}

async function makeFolder(place: Place, path: string): Promise<void> {
  const above = parentOf(path);
  if (above !== '') await makeFolder(place, above);
  await at(place, path, mkdir).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
}

/** As they were, but for the right to run it; of a new file that of its folder, where this process may give it away. */
async function keepOwner(place: Place, path: string, mode: string, before: Stats | undefined): Promise<void> {
  const owner = before ?? (await lookAt(place, parentOf(path)));
  if (!owner) return;
  await at(place, path, async (file) => {
    const now = await lstat(file);
    if (process.getuid?.() === 0 && (now.uid !== owner.uid || now.gid !== owner.gid))
      await lchown(file, owner.uid, owner.gid);
    if (!before?.isFile() || !now.isFile()) return;
    const readers = before.mode & 0o666;
    const opened = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      await opened.chmod(mode === '100755' ? readers | ((readers & 0o444) >> 2) : readers);
    } finally {
      await opened.close();
    }
  }).catch(unlessGone);
}

async function lookAt(place: Place, path: string): Promise<Stats | undefined> {
  return at(place, path, (file) => lstat(file)).catch(unlessGone);
}

/**
 * Does something to a file by the folder that holds it, each folder on the way opened by itself: a link that is swapped
 * in leads nowhere. Rejects with ENOTDIR where one is a link or no folder.
 */
async function at<Result>(
  { project }: Place,
  path: string,
  use: (file: Buffer) => Promise<Result>,
): Promise<Result> {
  const go = async (folder: Buffer, [name = '', ...rest]: readonly string[]): Promise<Result> => {
    const next = within(folder, Buffer.from(name, 'latin1'));
    return rest.length === 0 ? use(next) : withFolder(next, (inside) => go(inside.path, rest));
  };
  return go(Buffer.from(project), path.split('/'));
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function unlessGone(error: unknown): undefined {
  if (!isGone(error)) throw error;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
