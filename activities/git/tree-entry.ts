// What a recorded tree has under a name.
import type { Stats } from 'node:fs';

export interface TreeEntry {
  /** As git has it: `100644`, `100755` for an executable file, `120000` for a link. */
  mode: string;
  hash: string;
}

/**
 * A folder that holds nothing. Git records no such thing, so it stands in a tree as a submodule whose commit no
 * repository has.
 */
export const emptyFolder: TreeEntry = { mode: '160000', hash: '4b825dc642cb6eb9a060e54bf8d69288fbee4904' };

/** What a tree holds in place of a file that is too large to be recorded. */
export function noteOf({ size, mtime }: Pick<Stats, 'size' | 'mtime'>): string {
  return `perdure: a file of ${size} bytes, changed at ${mtime.toISOString()}, is not recorded\n`;
}

export const isNote = /^perdure: a file of \d+ bytes, changed at [\dTZ:.+-]+, is not recorded\n$/;

/** Longer than any note. */
export const mostNoteBytes = 150;

export function isSameEntry(one: TreeEntry | null, other: TreeEntry | null): boolean {
  return one?.mode === other?.mode && one?.hash === other?.hash;
}

/** Part of a command line: nothing but a hash may stand there. */
export function requireTree(tree: string | undefined): void {
  if (tree !== undefined && !/^[0-9a-f]{40}$/.test(tree)) throw new Error(`not the hash of a tree: ${tree}`);
}
