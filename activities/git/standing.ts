// What stands under a name of a project, as a tree would have it, and whether a file may be brought there.
import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { maxFileBytes } from './record-files.ts';
import type { TreeChange } from './tree-changes.ts';
import { emptyFolder, isSameEntry, noteOf, type TreeEntry } from './tree-entry.ts';

export interface KeptFile {
  path: string;
  why: 'changed' | 'too-large' | 'in-the-way';
}

/** `done`: it is as wanted. `due`: it may be replaced, since nothing is lost by it. Otherwise why it is kept. */
export function judge(
  stands: TreeEntry | null,
  { from, to }: TreeChange,
): 'done' | 'due' | Exclude<KeptFile['why'], 'too-large'> {
  if (isSameEntry(stands, to)) return 'done';
  if (isSameEntry(stands, from)) return 'due';
  // What is replaced by a folder, or replaces one, is nothing or an empty folder for a moment.
  if (isNothing(stands) && to === null) return 'done';
  if (isNothing(stands) && (isNothing(from) || isNothing(to))) return 'due';
  return stands === null || ['100644', '100755', '120000'].includes(stands.mode) ? 'changed' : 'in-the-way';
}

export function isNothing(entry: TreeEntry | null): boolean {
  return entry === null || isSameEntry(entry, emptyFolder);
}

export interface Standing {
  /** Of what no tree has, and of what may not be read, the hash is empty. */
  entry: TreeEntry | null;
  stat: Stats | undefined;
}

/** Read anew: what was looked at a moment ago may have been saved again since. */
export async function standingAt(file: Buffer): Promise<Standing> {
  const stat = await statAt(file);
  return { entry: stat ? await entryOf(file, stat) : null, stat };
}

export async function isUntouched(file: Buffer, { stat }: Standing): Promise<boolean> {
  const now = await statAt(file);
  return (['dev', 'ino', 'size', 'mtimeMs', 'ctimeMs'] as const).every(
    (each) => now?.[each] === stat?.[each],
  );
}

async function entryOf(file: Buffer, stat: Stats): Promise<TreeEntry> {
  try {
    if (stat.isDirectory())
      return (await readdir(file)).length === 0 ? emptyFolder : { mode: '040000', hash: '' };
    if (stat.isSymbolicLink()) return { mode: '120000', hash: hashOf(await readlink(file, 'buffer')) };
    if (stat.isFile() && stat.size > maxFileBytes)
      return { mode: '100644', hash: hashOf(Buffer.from(noteOf(stat))) };
    const mode = stat.mode & 0o100 ? '100755' : '100644';
    return stat.isFile() ? { mode, hash: await hashOfFile(file, stat) } : { mode: '', hash: '' };
  } catch (error) {
    // It may not be read, or is another thing by now.
    if (!['EACCES', 'EPERM', 'ELOOP', 'ENOENT', 'EINVAL', 'ENOTDIR', 'ENXIO'].includes(codeOf(error)))
      throw error;
    return { mode: '100644', hash: '' };
  }
}

async function hashOfFile(file: Buffer, { size }: Stats): Promise<string> {
  const opened = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const hash = createHash('sha1').update(`blob ${size}\0`);
    const piece = Buffer.allocUnsafe(Math.min(size, 1024 * 1024));
    for (let at = 0; at < size; ) {
      const { bytesRead } = await opened.read(piece, 0, piece.length, at);
      if (bytesRead === 0) break;
      hash.update(piece.subarray(0, bytesRead));
      at += bytesRead;
    }
    return hash.digest('hex');
  } finally {
    await opened.close();
  }
}

function hashOf(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

async function statAt(file: Buffer): Promise<Stats | undefined> {
  return lstat(file).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
    return undefined;
  });
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
