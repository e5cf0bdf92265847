// The projects that a run reads beside its own: each under its own path, and nothing is written there.
import { resolve } from 'node:path';
import type { PathRule } from '../sandbox.ts';
import { findGuarded, guardedIn } from './guarded.ts';
import type { Root } from './locate.ts';
import { openTree } from './open-tree.ts';

/** A project as a sandbox that contains shows it: read-only, without what a command must not reach. */
export interface Shown {
  path: string;
  covered: string[];
  sockets: string[];
}

export interface Beside {
  /** What stands at their paths now. */
  current(): Promise<Root[]>;
  close(): Promise<void>;
}

/** Refuses where one is no directory. */
export async function openBeside(paths: readonly string[] = []): Promise<Beside> {
  const trees = await Promise.all(paths.map((path) => openTree(path)));
  return {
    current: () => Promise.all(trees.map((tree) => tree.current())),
    async close() {
      await Promise.all(trees.map((tree) => tree.close()));
    },
  };
}

/** What stands there, with what was found in each when the sandbox was opened. */
export async function lookBeside(
  paths: readonly string[] = [],
  hidden: readonly string[],
): Promise<() => Promise<Shown[]>> {
  const found = await Promise.all(
    paths.map(async (path) => ({ path, found: await findGuarded(path, hidden) })),
  );
  return () =>
    Promise.all(
      found.map(async (each) => {
        const { covered, sockets } = await guardedIn(each.path, each.found, hidden);
        return { path: each.path, covered, sockets };
      }),
    );
}

/** Our own folders lie in no tool's reach either, save a tree that lies in one of them. */
export function withoutHidden(
  mayUse: PathRule,
  [tree, ...beside]: readonly [string, ...string[]],
  hidden: readonly string[],
): PathRule {
  const kept = hidden.filter((each) => [tree, ...beside].some((root) => each.startsWith(`${root}/`)));
  return (path, reach) => {
    const full = resolve(tree, path);
    return kept.some((each) => full === each || full.startsWith(`${each}/`))
      ? 'Perdure keeps its own data there'
      : mayUse(path, reach);
  };
}
