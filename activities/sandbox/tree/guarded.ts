// What lies in a work tree and is not the command's to change or to reach: what git keeps, our own data folder, and the
// sockets of programs of this machine, which a network of its own does not keep out.
import { lstat, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dependencyFolders } from '../sandbox.ts';
import { gitlinksOf } from './gitlinks.ts';

export interface Guarded {
  /**
   * `.git` folders and files: a hook or a setting written there would run on the host when a person uses git next. And
   * the folders in which git would look for one.
   */
  readOnly: string[];
  /** Folders of ours in the tree: empty in the sandbox. */
  covered: string[];
  /** Folders that lead to those, outermost first: as mounts of their own they cannot be moved away from under them. */
  parents: string[];
  sockets: string[];
}

// A look at each takes some twenty microseconds. Beyond it nested repositories and sockets are not found.
const mostFolders = 2000;

export interface Found {
  git: string[];
  /** Folders that a repository knows as another one's, whether or not that is there. */
  links: string[];
  sockets: string[];
}

/** What there is when a run's sandbox is opened, nearest the root first. Links are not followed. */
export async function findGuarded(tree: string, hidden: readonly string[]): Promise<Found> {
  const found: Found = { git: [], links: [], sockets: [] };
  const folders = [tree];
  for (let at = 0; at < folders.length && at < mostFolders; at += 1) {
    const folder = folders[at] as string;
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const path = join(folder, entry.name);
      if (entry.name === '.git') found.git.push(path);
      else if (entry.isSocket()) found.sockets.push(path);
      else if (entry.isDirectory() && !dependencyFolders.includes(entry.name) && !hidden.includes(path))
        folders.push(path);
    }
  }
  const links = found.git.map((git) => gitlinksOf(dirname(git), git));
  found.links = (await Promise.all(links)).flat().filter((each) => each.startsWith(`${tree}/`));
  return found;
}

/** What of these paths is there now, and a `.git` that was made in the root since. */
export async function guardedIn(tree: string, found: Found, hidden: readonly string[]): Promise<Guarded> {
  const covered = await present(
    hidden.filter((each) => each.startsWith(`${tree}/`)),
    (stat) => stat.isDirectory(),
  );
  const ofLinks = found.links.map((each) => join(each, '.git'));
  // A link called .git may lead anywhere: what it leads to is not shown.
  const git = await present(
    [join(tree, '.git'), ...found.git, ...ofLinks],
    (stat) => stat.isDirectory() || stat.isFile(),
  );
  const isWithout = (each: string): boolean =>
    !git.includes(join(each, '.git')) && !covered.some((folder) => isBelow(folder, [each]));
  const without = await present(found.links.filter(isWithout), (stat) => stat.isDirectory());
  // What lies below one is read-only with it.
  const readOnly = [...git, ...without].filter((each) => !isBelow(each, without));
  const parents = [...covered, ...readOnly].flatMap((each) => parentsOf(each, tree));
  return {
    readOnly,
    covered,
    parents: [...new Set(parents)],
    sockets: await present(found.sockets, (stat) => stat.isSocket()),
  };
}

async function present(
  paths: readonly string[],
  fits: (stat: Awaited<ReturnType<typeof lstat>>) => boolean,
): Promise<string[]> {
  const kept = await Promise.all(
    [...new Set(paths)].map(async (path) => {
      const stat = await lstat(path).catch(() => undefined);
      return stat !== undefined && fits(stat) ? [path] : [];
    }),
  );
  return kept.flat();
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path.startsWith(`${folder}/`));
}

function parentsOf(path: string, tree: string): string[] {
  const parent = dirname(path);
  return parent === tree ? [] : [...parentsOf(parent, tree), parent];
}
