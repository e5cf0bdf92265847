// Folders around a project whose files say something to agents too: those above it in the same repository, nearest first,
// and the names of such files below it.
import { type Dirent } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isGone } from './plain-file.ts';

// Deeper than projects lie in their repositories.
const mostAbove = 16;
// A run waits for this look. Where a repository has more folders, the nearest are looked into.
const mostFolders = 200;
const deepest = 3;
// A list that a model still reads; each line costs tokens in every request.
const mostBelow = 20;
// Others' code, and what is made anew.
const passedOver = new Set(['node_modules', 'vendor', 'dist', 'build', 'target']);

/** Empty unless one of them is the root of a repository that the project's owner has: what lies above that is not asked. */
export async function foldersAbove(project: string): Promise<string[]> {
  const above: string[] = [];
  const owner = await ownerOf(project);
  for (let folder = project; above.length < mostAbove; ) {
    if (await isRoot(folder)) return above;
    const next = dirname(folder);
    if (next === folder || owner === undefined || (await ownerOf(next)) !== owner) return [];
    above.push(next);
    folder = next;
  }
  return [];
}

/** Undefined: it is gone, as a project may be before its run's first step. */
async function ownerOf(folder: string): Promise<number | undefined> {
  try {
    return (await stat(folder)).uid;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Of a submodule or another working tree it is a file. */
async function isRoot(folder: string): Promise<boolean> {
  const found = await lstat(join(folder, '.git')).catch(() => undefined);
  return found?.isDirectory() === true || found?.isFile() === true;
}

/** The first of these names in each folder below, the nearest folders first. No link is followed. */
export async function namedBelow(project: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  let level = ['.'];
  let left = mostFolders;
  for (let depth = 0; depth <= deepest && level.length > 0; depth += 1) {
    const looked = level.slice(0, left);
    left -= looked.length;
    const entries = await Promise.all(looked.map((folder) => entriesOf(join(project, folder))));
    level = [];
    looked.forEach((folder, index) => {
      const here = entries[index] ?? [];
      const name = names.find((each) => here.some((entry) => entry.name === each && entry.isFile()));
      if (depth > 0 && name !== undefined) found.push(join(folder, name));
      level.push(...here.filter(isLookedInto).map((entry) => join(folder, entry.name)));
    });
  }
  return found.slice(0, mostBelow);
}

/** In an order of their names, so that every run is told the same. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

function isLookedInto(entry: Dirent): boolean {
  // A name with a line break would be read as two.
  return (
    entry.isDirectory() &&
    /^[^.\p{C}\p{Zl}\p{Zp}][^\p{C}\p{Zl}\p{Zp}]*$/u.test(entry.name) &&
    !passedOver.has(entry.name)
  );
}
