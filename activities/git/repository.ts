// Which repository a directory belongs to, decided on this machine before git looks: the one it or a directory above
// it holds as `.git`. Directories below, and what only looks like a repository, are none.
import type { Stats } from 'node:fs';
import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isGone, readPlainFile } from './plain-file.ts';
import { readSettings } from './repository-settings.ts';

export interface Repository {
  workTree: string;
  /** What belongs to this work tree alone, such as its HEAD and index. */
  gitFolder: string;
  /** What all work trees of the repository share; the same unless it is a linked one. */
  commonFolder: string;
}

// A file that holds one path.
const maxNameBytes = 8192;

/** `directory` is a real path. Undefined: it belongs to none, or to one that is not followed. */
export async function findRepository(directory: string): Promise<Repository | undefined> {
  const own = await stat(directory);
  for (let at = directory; ; at = dirname(at)) {
    const found = await lookAt(at, at === directory ? undefined : own);
    if (found !== 'none') return found;
    if (at === dirname(at)) return undefined;
  }
}

/** The repository whose work tree is this directory, a real path; undefined when there is none. */
export async function repositoryAt(workTree: string): Promise<Repository | undefined> {
  const found = await lookAt(workTree, undefined);
  return found === 'none' ? undefined : found;
}

async function lookAt(workTree: string, below: Stats | undefined): Promise<Repository | 'none' | undefined> {
  const gitFolder = join(workTree, '.git');
  const found = await statOf(gitFolder);
  if (found === undefined) return 'none';
  // As in git: above the directory, a repository of another user or disk does not count.
  if (below && (found.dev !== below.dev || ![below.uid, process.getuid?.()].includes(found.uid)))
    return undefined;
  if (found.isDirectory()) {
    const head = await statOf(join(gitFolder, 'HEAD'));
    return head === undefined ? 'none' : { workTree, gitFolder, commonFolder: gitFolder };
  }
  // A link is not followed: a user who may write in the project says where it leads.
  return found.isFile() ? linkedFrom(workTree) : undefined;
}

async function statOf(path: string): Promise<Stats | undefined> {
  return lstat(path).catch((error) => {
    if (isGone(error)) return undefined;
    throw error;
  });
}

/** A `.git` file is followed to what names this directory in turn: a linked work tree's folder, or a submodule's. */
async function linkedFrom(workTree: string): Promise<Repository | undefined> {
  const written = await readName(workTree, '.git');
  const named = written?.startsWith('gitdir: ') ? resolve(workTree, written.slice(8)) : undefined;
  const gitFolder = named && (await realpath(named).catch(() => undefined));
  if (gitFolder === undefined) return undefined;
  const back = await readName(gitFolder, 'gitdir');
  if (back !== undefined) {
    const common = resolve(gitFolder, (await readName(gitFolder, 'commondir')) ?? '.');
    const commonFolder = await realpath(common).catch(() => '');
    const isIts = basename(back) === '.git' && (await leadsTo(resolve(gitFolder, dirname(back)), workTree));
    return isIts && dirname(gitFolder) === join(commonFolder, 'worktrees')
      ? { workTree, gitFolder, commonFolder }
      : undefined;
  }
  const settings = await readSettings(gitFolder, ['config', 'config.worktree']);
  const [, its] = settings.findLast(([name]) => name === 'core.worktree') ?? [];
  return its !== undefined && (await leadsTo(resolve(gitFolder, its), workTree))
    ? { workTree, gitFolder, commonFolder: gitFolder }
    : undefined;
}

async function leadsTo(path: string, directory: string): Promise<boolean> {
  return (await realpath(path).catch(() => undefined)) === directory;
}

async function readName(directory: string, name: string): Promise<string | undefined> {
  return (await readPlainFile(directory, name, maxNameBytes))?.toString('utf8').replace(/\r?\n$/, '');
}
