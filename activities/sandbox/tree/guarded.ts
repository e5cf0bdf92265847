// What lies in a work tree and is not the command's to change or to reach: what git keeps, our own data folder, and the
// sockets of programs of this machine, which a network of its own does not keep out.
import { lstat, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dependencyFolders } from '../sandbox.ts';

export interface Guarded {
  /** `.git` folders and files: a hook or a setting written there would run on the host when a person uses git next. */
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
  sockets: string[];
}

/** What there is when a run's sandbox is opened, nearest the root first. Links are not followed. */
export async function findGuarded(tree: string, hidden: readonly string[]): Promise<Found> {
  const found: Found = { git: [], sockets: [] };
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
  return found;
}

/** What of these paths is there now, and a `.git` that was made in the root since. */
export async function guardedIn(tree: string, found: Found, hidden: readonly string[]): Promise<Guarded> {
  const covered = await present(
    hidden.filter((each) => each.startsWith(`${tree}/`)),
    (stat) => stat.isDirectory(),
  );
  const parents = covered.flatMap((each) => parentsOf(each, tree));
  return {
    // A link called .git may lead anywhere: what it leads to is not shown.
    readOnly: await present(
      [join(tree, '.git'), ...found.git],
      (stat) => stat.isDirectory() || stat.isFile(),
    ),
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

function parentsOf(path: string, tree: string): string[] {
  const parent = dirname(path);
  return parent === tree ? [] : [...parentsOf(parent, tree), parent];
}
