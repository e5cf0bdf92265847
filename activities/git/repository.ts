// The repository that a folder belongs to, found and read as data: only the files that git keeps the index and the
// rules of what is ignored in, never a configuration. What they say may have been written by an agent.
import { constants } from 'node:fs';
import { lstat, open, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

export interface Repository {
  /** The folder that holds its `.git`. */
  workTree: string;
  /** Where its index is; of a worktree or submodule this is elsewhere than in its folder. */
  gitDir: string;
  /** Where `info/exclude` is, which worktrees share. */
  commonDir: string;
}

// A file that names a folder, or one of rules.
const maxLinkBytes = 8192;

/** That of which the folder is the top; undefined when it is not one. */
export async function repositoryAt(folder: string): Promise<Repository | undefined> {
  const named = join(folder, '.git');
  const found = await lstat(named).catch(() => undefined);
  const gitDir = found?.isDirectory() ? named : await linked(folder, '.git', /^gitdir: ([^\0\n]+)\n?$/);
  // What every repository has; a folder of that name may be anything.
  if (gitDir === undefined || (await readPlainFile(gitDir, 'HEAD', maxLinkBytes)) === undefined)
    return undefined;
  const commonDir = await linked(gitDir, 'commondir', /^([^\0\n]+)\n?$/);
  return { workTree: folder, gitDir, commonDir: commonDir ?? gitDir };
}

/**
 * The nearest one at or above the folder, as git finds it. One that belongs to somebody else is not obeyed, as git does
 * not: anyone may put one into a folder such as /tmp.
 */
export async function repositoryAround(folder: string): Promise<Repository | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    const repository = await repositoryAt(at);
    if (repository !== undefined) {
      const [own, its] = await Promise.all([stat(folder), stat(join(at, '.git'))]);
      return at === folder || its.uid === own.uid || its.uid === process.getuid?.() ? repository : undefined;
    }
    if (dirname(at) === at) return undefined;
  }
}

async function linked(folder: string, name: string, form: RegExp): Promise<string | undefined> {
  const text = (await readPlainFile(folder, name, maxLinkBytes))?.toString('utf8');
  const target = text === undefined ? undefined : form.exec(text)?.[1];
  return target === undefined ? undefined : resolve(folder, target);
}

/** Undefined unless it is an ordinary file in an ordinary directory, and of a sane size: any of it may be a link or a device. */
export async function readPlainFile(
  directory: string,
  name: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  try {
    if (!(await lstat(directory)).isDirectory()) return undefined;
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await open(join(directory, name), flags);
    try {
      const found = await file.stat();
      return found.isFile() && found.size <= maxBytes ? await file.readFile() : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isGone(error) || (error as NodeJS.ErrnoException).code === 'ELOOP') return undefined;
    throw error;
  }
}

export function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');
}
