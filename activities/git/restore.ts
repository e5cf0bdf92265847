// Gives files of a project what a recorded tree holds. Each is looked at just before it is replaced, and replaced at
// once: a save since the last look is not lost, and a death at any moment leaves the old file or the new one.
import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import {
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rmdir,
  statfs,
  symlink,
  unlink,
} from 'node:fs/promises';
import { contentsOf, sizesOf } from './blobs.ts';
import { GitProblem } from './command.ts';
import { foldersOf, fileIn, within } from './held-folder.ts';
import { codeOf, isNothing, isUntouched, judge, type KeptFile, standingAt } from './standing.ts';
import { toText, type TreeChange } from './tree-changes.ts';
import { emptyFolder, type TreeEntry } from './tree-entry.ts';

interface Place {
  project: string;
  gitFolder: string;
}

/** Has content of its own. */
type MadeChange = TreeChange & { to: TreeEntry };

// As many as the thread pool has use for; each holds a descriptor for every folder on the way.
const atOnce = 16;
// Of the contents in memory at a time. One file may be larger.
const partBytes = 32 * 1024 * 1024;

/** Brings each file to its `to`. Returns those that stay as they are, for what came in between. */
export async function restoreFiles(place: Place, changes: readonly TreeChange[]): Promise<KeptFile[]> {
  const made = changes.filter(isMade);
  const sizes = await sizesOf(
    place.gitFolder,
    made.map(({ to }) => to.hash),
  );
  await requireRoom(place, sizes);
  const kept: KeptFile[] = [];
  const each = async <Change extends TreeChange>(
    some: readonly Change[],
    bring: (change: Change, at: number) => Promise<ReturnType<typeof judge>>,
  ): Promise<void> => {
    await inTurns(some, async (change, at) => {
      const how = await bring(change, at);
      if (how !== 'done' && how !== 'due') kept.push({ path: toText(change.path), why: how });
    });
  };
  const gone = changes.filter(({ to }) => to === null);
  await each(gone, (change) => remove(place, change));
  await removeEmptied(place, gone);
  await each(
    changes.filter((change) => change.to !== null && !isMade(change)),
    (change) => makeEmpty(place, change),
  );
  for (const part of partsOf(made, sizes)) {
    const contents = await contentsOf(
      place.gitFolder,
      part.map(({ to }) => to.hash),
    );
    await each(part, (change, at) => replace(place, change, contents[at] as Buffer));
  }
  return kept;
}

/**
 * Which of the changes something stands in the way of: a file where a folder is needed, or a folder that holds more than
 * what goes. Asked before any of them is made.
 */
export async function withoutRoom(place: Place, changes: readonly TreeChange[]): Promise<TreeChange[]> {
  const gone = new Set(changes.flatMap(({ path, to }) => (to === null ? [path] : [])));

  /** Whether nothing is left of it once the others are gone. */
  async function goes(file: Buffer, path: string): Promise<boolean> {
    if (gone.has(path)) return true;
    for (const each of await readdir(file, { withFileTypes: true, encoding: 'buffer' })) {
      const below = `${path}/${each.name.toString('latin1')}`;
      if (!(each.isDirectory() ? await goes(within(file, each.name), below) : gone.has(below))) return false;
    }
    return true;
  }

  const found: TreeChange[] = [];
  // Where a file is recorded and stands, there is room.
  const wanted = changes.filter(({ from, to }) => to !== null && isNothing(from));
  await inTurns(wanted, async (change) => {
    const { path } = change;
    const hasRoom = await fileIn(place.project, path, async (file) => {
      const stat = await lstat(file);
      return !stat.isDirectory() || !isMade(change) || goes(file, path);
    }).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return true;
      if (codeOf(error) === 'ENOTDIR') return foldersOf(path).some((above) => gone.has(above));
      throw error;
    });
    if (!hasRoom) found.push(change);
  });
  return found;
}

/** What a death left half-written beside files that are not restored after all. */
export async function dropHalfWritten(place: Place, changes: readonly TreeChange[]): Promise<void> {
  await inTurns(changes.filter(isMade), (change) =>
    fileIn(place.project, change.path, (_file, folder) => unlink(besideOf(folder, change))).catch(
      unlessMissing,
    ),
  );
}

/** Before anything is touched: half of it is no help. */
async function requireRoom({ project }: Place, sizes: readonly number[]): Promise<void> {
  const { bavail, bsize } = await statfs(project);
  // Each file takes whole blocks, and its folder may grow by one.
  const blocks = sizes.reduce((sum, size) => sum + Math.ceil(size / bsize) + 1, 0);
  if (blocks > bavail)
    throw new GitProblem(`No space left on device: ${project} needs ${blocks * bsize} bytes to be restored`);
}

async function remove(place: Place, change: TreeChange): Promise<ReturnType<typeof judge>> {
  return fileIn(place.project, change.path, async (file) => {
    const standing = await standingAt(file);
    const how = judge(standing.entry, change);
    if (how !== 'due') return how;
    if (!(await isUntouched(file, standing))) return 'changed';
    await (standing.stat?.isDirectory() ? rmdir : unlink)(file);
    return 'due';
  }).catch((error: unknown) => {
    if (isBlocked(error)) return 'in-the-way';
    unlessMissing(error);
    return 'done';
  });
}

/** The folders that are empty without what is gone, the deepest first. */
async function removeEmptied(place: Place, gone: readonly TreeChange[]): Promise<void> {
  const folders = new Set(gone.flatMap(({ path }) => foldersOf(path)));
  for (const folder of [...folders].sort().reverse())
    await fileIn(place.project, folder, (file) => rmdir(file)).catch((error: unknown) => {
      if (!isBlocked(error) && codeOf(error) !== 'EACCES') unlessMissing(error);
    });
}

async function makeEmpty(place: Place, change: TreeChange): Promise<ReturnType<typeof judge>> {
  return inFolder(place, change.path, async (file, folder) => {
    const standing = await standingAt(file);
    // With something in it, it is there too.
    if (standing.stat?.isDirectory()) return 'done';
    const how = judge(standing.entry, change);
    if (how !== 'due') return how;
    if (!(await isUntouched(file, standing))) return 'changed';
    if (standing.stat) await unlink(file);
    await makeFolder(file, folder);
    return 'due';
  });
}

async function replace(place: Place, change: MadeChange, content: Buffer): Promise<ReturnType<typeof judge>> {
  return inFolder(place, change.path, async (file, folder) => {
    const standing = await standingAt(file);
    const beside = besideOf(folder, change);
    const how = judge(standing.entry, change);
    // An attempt that died may have left one.
    await unlink(beside).catch(unlessMissing);
    if (how !== 'due') return how;
    try {
      await write(beside, { content, mode: change.to.mode, before: standing.stat, folder });
      if (!(await isUntouched(file, standing))) {
        await unlink(beside);
        return 'changed';
      }
      if (standing.stat?.isDirectory()) await rmdir(file);
      await rename(beside, file);
    } catch (error) {
      await unlink(beside).catch(unlessMissing);
      throw error;
    }
    return 'due';
  });
}

/** Those who may read it stay the same. */
async function write(
  beside: Buffer,
  how: { content: Buffer; mode: string; before: Stats | undefined; folder: Buffer },
): Promise<void> {
  const { content, mode, before, folder } = how;
  const owner = await ownerOf(before, folder);
  if (mode === '120000') {
    await symlink(content, beside);
    if (owner) await lchown(beside, owner.uid, owner.gid);
    return;
  }
  const isExecutable = mode === '100755';
  const readers = before?.isFile() ? before.mode & 0o666 : undefined;
  const asAnyNew = isExecutable ? 0o777 : 0o666;
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  const file = await open(beside, O_WRONLY | O_CREAT | O_EXCL, readers === undefined ? asAnyNew : 0o600);
  try {
    await file.writeFile(content);
    if (owner) await file.chown(owner.uid, owner.gid);
    if (readers !== undefined) await file.chmod(isExecutable ? readers | ((readers & 0o444) >> 2) : readers);
  } finally {
    await file.close();
  }
}

/** Named for what it becomes, so that the next attempt finds it; no look at the project sees such a name. */
function besideOf(folder: Buffer, { path, to }: MadeChange): Buffer {
  const name = createHash('sha1').update(`${path}\0${to.hash}`, 'latin1').digest('hex').slice(0, 24);
  return within(folder, Buffer.from(`.perdure-${name}.tmp`));
}

function isMade(change: TreeChange): change is MadeChange {
  return change.to !== null && change.to.mode !== emptyFolder.mode;
}

function partsOf(changes: readonly MadeChange[], sizes: readonly number[]): MadeChange[][] {
  const parts: MadeChange[][] = [];
  let left = 0;
  changes.forEach((change, at) => {
    const size = sizes[at] ?? 0;
    if (parts.length === 0 || size > left) {
      parts.push([]);
      left = partBytes;
    }
    left -= size;
    parts.at(-1)?.push(change);
  });
  return parts;
}

/** Rejects when none of them is under way any more. */
async function inTurns<Item>(
  items: readonly Item[],
  use: (item: Item, at: number) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < items.length; start += atOnce) {
    const turn = items.slice(start, start + atOnce).map((item, at) => use(item, start + at));
    for (const each of await Promise.allSettled(turn)) if (each.status === 'rejected') throw each.reason;
  }
}

/** The same as `fileIn`, with the folders on the way made where they are missing. */
async function inFolder<Result>(
  { project }: Place,
  path: string,
  use: (file: Buffer, folder: Buffer) => Promise<Result>,
): Promise<Result | 'in-the-way'> {
  try {
    return await fileIn(project, path, use).catch(async (error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error;
      for (const above of foldersOf(path)) await fileIn(project, above, makeFolder);
      return fileIn(project, path, use);
    });
  } catch (error) {
    if (!isBlocked(error) && codeOf(error) !== 'ENOTDIR') throw error;
    return 'in-the-way';
  }
}

async function makeFolder(place: Buffer, around: Buffer): Promise<void> {
  try {
    await mkdir(place);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    throw error;
  }
  const owner = await ownerOf(undefined, around);
  if (owner) await lchown(place, owner.uid, owner.gid);
}

/** As before; what is new belongs to whom its folder belongs to. Undefined where this process may not give it away. */
async function ownerOf(before: Stats | undefined, folder: Buffer): Promise<Stats | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  return before ?? lstat(within(folder, Buffer.from('.')));
}

/** A folder with something in it took the place a moment ago. */
function isBlocked(error: unknown): boolean {
  return ['ENOTEMPTY', 'EEXIST', 'EISDIR'].includes(codeOf(error));
}

function unlessMissing(error: unknown): void {
  if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error))) throw error;
}
