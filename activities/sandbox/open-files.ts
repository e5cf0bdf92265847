// The files of a directory as a sandbox has them, for what the platform itself reads or puts there.
import type { Files, PathRule } from './sandbox.ts';
import { filesOf } from './tree/files.ts';
import { openTree } from './tree/open-tree.ts';

/** Refuses what is no directory. `mayUse`: all of it, when left out. */
export async function withFiles<Result>(
  root: string,
  mayUse: PathRule | undefined,
  use: (files: Files) => Promise<Result>,
): Promise<Result> {
  const tree = await openTree(root);
  try {
    return await use(filesOf({ ...(await tree.current()), mayUse: mayUse ?? (() => undefined) }));
  } finally {
    await tree.close();
  }
}
