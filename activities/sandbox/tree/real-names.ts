// Where names in a command really lead. Looked up when the command is about to start: a link swapped after that is not
// seen, nor is what the command does by itself.
import { readFile, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, posix } from 'node:path';
import { type NamesToFollow, SandboxRefusal } from '../sandbox.ts';

// Commands have a few names, and each is looked up in each folder. So many take half a second.
const mostLookUps = 5000;

interface Place {
  /** The project's directory as policy knows it, and where it really is. */
  given: string;
  real: string;
  /** Folders of programs, joined by colons. */
  programs: string;
}

/**
 * Names that lead elsewhere than they say, each with the real paths it has; git's own folder is always called `.git`.
 * Refuses to look up only some.
 */
export async function realNames(
  place: Place,
  wanted: NamesToFollow,
): Promise<Map<string, readonly string[]>> {
  const gitFolders = await gitFoldersOf(place.real);
  const folders = await foldersOf(place.real, wanted.folders);
  const programFolders = place.programs.split(':').filter((each) => each !== '');
  const programs = wanted.programs.filter((each) => /^[\w+.][\w+.-]*$/.test(each));
  refuseTooMany(folders.length * wanted.names.length + programFolders.length * programs.length);
  const found = new Map<string, readonly string[]>();
  const look = async (name: string, path: string): Promise<void> => {
    // A new name without a folder lies in the one that the command names.
    const real = await (name.includes('/') ? realPathOf(path) : realpath(path).catch(() => undefined));
    if (real === undefined) return;
    const told = asPolicyKnows(place, gitFolders, real);
    const before = found.get(name) ?? [];
    if (told !== asPolicyKnows(place, [], posix.normalize(path)) && !before.includes(told))
      found.set(name, [...before, told]);
  };
  for (const name of wanted.names) for (const folder of folders) await look(name, pathIn(folder, name));
  for (const name of programs) for (const folder of programFolders) await look(name, join(folder, name));
  return found;
}

function refuseTooMany(lookUps: number): void {
  if (lookUps > mostLookUps)
    throw new SandboxRefusal('the command holds too many names to see where they lead; split it');
}

/** The project and all that the command may have gone to in it, one after the other, as far as they are there. */
async function foldersOf(real: string, wanted: readonly string[]): Promise<string[]> {
  const found = new Map([[`${real}\0${real}`, real]]);
  for (const folder of wanted) {
    refuseTooMany(found.size * wanted.length);
    for (const path of [...found.values()].map((each) => pathIn(each, folder))) {
      const leadsTo = await realpath(path).catch(() => undefined);
      if (leadsTo !== undefined) found.set(`${leadsTo}\0${posix.normalize(path)}`, path);
    }
  }
  return [...found.values()];
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

/** As the system reads it: what is above a link is above where it leads, so nothing is shortened. */
function pathIn(folder: string, name: string): string {
  return isAbsolute(name) ? name : `${folder}/${name}`;
}

function asPolicyKnows({ given, real }: Place, gitFolders: readonly string[], path: string): string {
  const git = gitFolders.find((folder) => isIn(folder, path));
  if (git !== undefined) return join(given, '.git', path.slice(git.length));
  return (isIn(real, path) ? join(given, path.slice(real.length)) : path).replace(/(?<=.)\/$/, '');
}

function isIn(folder: string, path: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** The folder of a worktree is elsewhere, and may have any name. */
async function gitFoldersOf(root: string): Promise<string[]> {
  const named = join(root, '.git');
  const text = await readFile(named, 'utf8').catch(() => undefined);
  const written = text === undefined ? undefined : /^gitdir: (.+)$/m.exec(text)?.[1];
  const folder = written === undefined ? named : pathIn(root, written);
  const common = await readFile(join(folder, 'commondir'), 'utf8').catch(() => undefined);
  const all = [folder, ...(common === undefined ? [] : [pathIn(folder, common.trim())])];
  const real = await Promise.all(all.map((each) => realpath(each).catch(() => undefined)));
  return real.flatMap((each) => each ?? []);
}
