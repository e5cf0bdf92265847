// The files of a directory as a sandbox has them, for what the platform itself reads or puts there.
import { realpath } from 'node:fs/promises';
import type { Files, PathRule } from './sandbox.ts';
import { withoutHidden } from './tree/beside.ts';
import { filesOf } from './tree/files.ts';
import { openTree } from './tree/open-tree.ts';

/** Refuses what is no directory. `mayUse`: all of it, when left out. `hidden`: folders that are in no reach. */
export async function withFiles<Result>(
  root: string,
  mayUse: PathRule | undefined,
  use: (files: Files) => Promise<Result>,
  hidden: readonly string[] = [],
): Promise<Result> {
  const unseen = await Promise.all(hidden.map((each) => realpath(each).catch(() => each)));
  const tree = await openTree(root);
  try {
    const at = await tree.current();
    return await use(
      filesOf({ ...at, mayUse: withoutHidden(mayUse ?? (() => undefined), [at.real], unseen) }),
    );
  } finally {
    await tree.close();
  }
}
