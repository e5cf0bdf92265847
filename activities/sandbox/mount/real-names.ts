// Where names in a command really lead. Looked up when the command is about to start: who swaps a link in between is not
// seen, as little as what the command does by itself.
import { readFile, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, posix } from 'node:path';
import type { NamesToFollow } from '../sandbox.ts';

// Commands have a few names; each is looked up in each folder.
const mostLookUps = 2000;

interface Place {
  /** The project's directory as policy knows it, and where it really is. */
  given: string;
  real: string;
  /** Folders of programs, joined by colons. */
  programs: string;
}

/** Names that lead elsewhere than they say, each with its real path; git's own folder is always called `.git`. */
export async function realNames(place: Place, wanted: NamesToFollow): Promise<Map<string, string>> {
  const folders = [place.real, ...wanted.folders.map((folder) => absolute(place.real, folder))];
  const gitFolders = await gitFoldersOf(place.real);
  const found = new Map<string, string>();
  const look = async (name: string, path: string): Promise<void> => {
    // A new name without a folder lies in the one that the command names.
    const real = await (name.includes('/') ? realPathOf(path) : realpath(path).catch(() => undefined));
    if (real === undefined || found.has(name)) return;
    const told = asPolicyKnows(place, gitFolders, real);
    if (told !== asPolicyKnows(place, [], path)) found.set(name, told);
  };
  const inFolders = wanted.names.flatMap((name) =>
    folders.map((folder) => ({ name, path: absolute(folder, name) })),
  );
  for (const { name, path } of inFolders.slice(0, mostLookUps)) await look(name, path);
  for (const name of wanted.programs
    .filter((each) => /^[\w+.][\w+.-]*$/.test(each))
    .slice(0, mostLookUps / 20)) {
    for (const folder of place.programs.split(':').filter((each) => each !== ''))
      await look(name, join(folder, name));
  }
  return found;
}

/** Of what does not exist yet: where it would be made. */
async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path === dirname(path)) return undefined;
    const parent = await realPathOf(dirname(path));
    return parent === undefined ? undefined : join(parent, basename(path));
  }
}

function absolute(folder: string, name: string): string {
  return isAbsolute(name) ? posix.normalize(name) : join(folder, name);
}

function asPolicyKnows({ given, real }: Place, gitFolders: readonly string[], path: string): string {
  const git = gitFolders.find((folder) => isIn(folder, path));
  if (git !== undefined) return join(given, '.git', path.slice(git.length));
  return (isIn(real, path) ? join(given, path.slice(real.length)) : path).replace(/(?<=.)\/$/, '');
}

function isIn(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** The folder of a worktree is elsewhere, and has whatever name. */
async function gitFoldersOf(root: string): Promise<string[]> {
  const named = join(root, '.git');
  const text = await readFile(named, 'utf8').catch(() => undefined);
  const written = text === undefined ? undefined : /^gitdir: (.+)$/m.exec(text)?.[1];
  const folder = written === undefined ? named : absolute(root, written);
  const common = await readFile(join(folder, 'commondir'), 'utf8').catch(() => undefined);
  const all = [folder, ...(common === undefined ? [] : [absolute(folder, common.trim())])];
  const real = await Promise.all(all.map((each) => realpath(each).catch(() => undefined)));
  return real.flatMap((each) => each ?? []);
}
