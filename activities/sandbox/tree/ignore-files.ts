// Ignore files: a directory's own, and above the root those of the repository that the root lies in. No other file
// outside the root is read.
import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import ignore from 'ignore';
import type { IgnoreFile } from '../sandbox.ts';

// Larger ones are not written by hand; reading one must not hold the process.
const maxBytes = 1024 * 1024;

export async function ignoreFilesIn(directory: string, below = ''): Promise<IgnoreFile[]> {
  const files: IgnoreFile[] = [];
  for (const kind of ['gitignore', 'ignore'] as const) {
    const text = await readSmall(`${directory}/.${kind}`);
    if (text !== undefined) files.push({ kind, below, text });
  }
  return files;
}

/** From the top of the repository downwards, without those of the root itself; none where they ignore the root. */
export async function ignoreFilesAbove(realRoot: string): Promise<IgnoreFile[]> {
  const top = await repositoryOf(realRoot);
  const files = top === undefined ? [] : await filesBetween(top, realRoot);
  const ignoresRoot = ({ below, text }: IgnoreFile): boolean =>
    // Where the root is the top of its repository, no rule of that is about the root itself.
    below !== '' && ignore({ ignorecase: false }).add(text).ignores(`${below}/`);
  return files.some(ignoresRoot) ? [] : files;
}

async function filesBetween(top: string, realRoot: string): Promise<IgnoreFile[]> {
  const exclude = await excludeFileOf(top);
  const text = exclude && (await readSmall(exclude));
  const files: IgnoreFile[] =
    text === undefined ? [] : [{ kind: 'exclude', below: relative(top, realRoot), text }];
  const way = relative(top, realRoot).split('/');
  for (const [index] of way.entries()) {
    const directory = join(top, ...way.slice(0, index));
    if (directory === realRoot) break;
    files.push(...(await ignoreFilesIn(directory, relative(directory, realRoot))));
  }
  return files;
}

/**
 * Whether ignore files above the root are not to count: it is in no repository and they are not the project's,
 * `~/.gitignore` say, or they ignore the root itself, and with it all there is to look at.
 */
export async function isolatedAbove(realRoot: string): Promise<boolean> {
  const top = await repositoryOf(realRoot);
  if (top !== undefined) {
    return (await filesBetween(top, realRoot)).length > 0 && (await ignoreFilesAbove(realRoot)).length === 0;
  }
  for (let directory = dirname(realRoot); ; directory = dirname(directory)) {
    for (const name of ['.gitignore', '.ignore', '.rgignore']) {
      if ((await lstat(join(directory, name)).catch(() => undefined)) !== undefined) return true;
    }
    if (directory === dirname(directory)) return false;
  }
}

async function repositoryOf(directory: string): Promise<string | undefined> {
  for (let each = directory; ; each = dirname(each)) {
    if ((await lstat(join(each, '.git')).catch(() => undefined)) !== undefined) return each;
    if (each === dirname(each)) return undefined;
  }
}

async function excludeFileOf(top: string): Promise<string | undefined> {
  const git = join(top, '.git');
  if ((await lstat(git)).isDirectory()) return join(git, 'info/exclude');
  // A worktree or submodule: the file names the folder, and that names the one it shares with others.
  const folder = /^gitdir: (.*\S)/.exec((await readSmall(git)) ?? '')?.[1];
  if (folder === undefined) return undefined;
  const own = resolve(top, folder);
  const shared = (await readSmall(join(own, 'commondir')))?.trim();
  return join(resolve(own, shared ?? '.'), 'info/exclude');
}

async function readSmall(path: string): Promise<string | undefined> {
  // Not through a link, and without waiting for a pipe.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(() => undefined);
  try {
    const stat = await file?.stat();
    return stat?.isFile() && stat.size <= maxBytes ? await file?.readFile('utf8') : undefined;
  } finally {
    await file?.close();
  }
}
