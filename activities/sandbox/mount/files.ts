// The files of a mount, as one call may use them. No operation leaves the root, whatever is swapped meanwhile.
import { constants, type Stats } from 'node:fs';
import { open, opendir, readdir, rename, stat as statOf, unlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join, posix } from 'node:path';
import { insidePath, locate, recheck, requireUse, type Place, type Root, type Walk } from './place.ts';
import { type FileStat, type Sandbox, SandboxRefusal } from '../sandbox.ts';
import { searchPlace } from './search.ts';

// A listing this long helps nobody and costs memory per entry.
const maxEntries = 100_000;
// No write takes this long, so an older temporary file was left by a killed process.
const staleAfterMs = 60_000;
const temporaryName = /^\.perdure-[0-9a-f]{24}\.tmp$/;

export function filesOf(root: Root): Omit<Sandbox, 'root' | 'exec'> {
  return {
    read: (path, maxBytes) => at(root, path, reading, (place) => readFile(place, path, maxBytes)),
    write: (path, bytes) => at(root, path, writing, (place) => writeFile(root, place, path, bytes)),
    remove: (path) => at(root, path, looking, (place) => removeFile(place, path)),
    stat: (path) => at(root, path, looking, async (place) => place?.stat && toFileStat(place.stat)),
    list: (path) =>
      at(root, path, reading, (place) => listDirectory(place, path, mayFind(root, path, place))),
    search: (options) =>
      at(root, options.path, reading, (place) =>
        searchPlace(place, options, mayFind(root, options.path, place)),
      ),
  };
}

const reading: Walk = { follow: true, makeParents: false };
const writing: Walk = { follow: true, makeParents: true };
const looking: Walk = { follow: false, makeParents: false };

async function at<Result>(
  root: Root,
  path: string,
  walk: Walk,
  use: (place: Place | undefined) => Promise<Result>,
): Promise<Result> {
  let place: Place | undefined;
  try {
    place = await locate(root, path, walk);
    if (place !== undefined) requireAllowed(root, path, place);
    return await use(place);
  } catch (error) {
    throw refusal(error as NodeJS.ErrnoException, path);
  } finally {
    await place?.close();
  }
}

/** A directory that lies where its name says is held to what is found in it, each by itself. */
function requireAllowed(root: Root, path: string, place: Place): void {
  const named = insidePath(root, path) || '.';
  if (place.real === named && place.stat?.isDirectory() === true) return;
  if (place.stat?.isDirectory() !== true) requireUse(root, named);
  requireUse(root, place.real);
}

/** Whether a listing or a search may show what it has found: by the name it has there, and by its real one. */
function mayFind(root: Root, path: string, place: Place | undefined): (name: string) => boolean {
  const bases = new Set([insidePath(root, path), ...(place === undefined ? [] : [place.real])]);
  return (name) => [...bases].every((base) => root.mayUse(posix.join(base, name), 'below') === undefined);
}

async function readFile(
  place: Place | undefined,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  if (place?.self === undefined || place.stat === undefined) return undefined;
  if (!place.stat.isFile()) throw new SandboxRefusal(`\`${path}\` is ${describe(place.stat)}, not a file`);
  if (place.stat.size > maxBytes) throw tooLarge(path, maxBytes);
  const file = await open(place.self, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const now = await file.stat();
    // Where places are not held by descriptor, the file may have been swapped since it was looked at.
    if (now.ino !== place.stat.ino || now.dev !== place.stat.dev)
      throw new SandboxRefusal(`\`${path}\` is being replaced`);
    const chunks: Buffer[] = [];
    let size = 0;
    // Not by its size: a file may grow while it is read, and those of /proc have none.
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(path, maxBytes);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    await file.close();
  }
}

async function writeFile(root: Root, place: Place | undefined, path: string, bytes: Buffer): Promise<void> {
  if (place === undefined) throw new SandboxRefusal(`the directory of \`${path}\` was removed meanwhile`);
  if (place.stat !== undefined && !place.stat.isFile()) {
    throw new SandboxRefusal(`\`${path}\` is ${describe(place.stat)}, not a file`);
  }
  await removeStale(place.directory);
  const temporary = join(place.directory, `.perdure-${randomBytes(12).toString('hex')}.tmp`);
  try {
    await writeDurably(temporary, bytes, place.stat);
    await recheck(root, place, path);
    // Replaces the name: what else is linked to the old file is left alone.
    await rename(temporary, join(place.directory, place.name));
  } catch (error) {
    await unlink(temporary).catch(unlessMissing);
    throw error;
  }
  await syncDirectory(place.directory);
}

async function writeDurably(temporary: string, bytes: Buffer, before: Stats | undefined): Promise<void> {
  const file = await open(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  );
  try {
    if (before !== undefined) {
      const now = await file.stat();
      // Only root can give a file away; for anybody else the new file is theirs, as with any editor.
      if (process.getuid?.() === 0 && (now.uid !== before.uid || now.gid !== before.gid)) {
        await file.chown(before.uid, before.gid);
      }
      await file.chmod(before.mode & 0o7777);
    }
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeStale(directory: string): Promise<void> {
  for (const name of (await readdir(directory)).filter((name) => temporaryName.test(name))) {
    const age =
      Date.now() - ((await statOf(join(directory, name)).catch(unlessMissing))?.mtimeMs ?? Date.now());
    if (age > staleAfterMs) await unlink(join(directory, name)).catch(unlessMissing);
  }
}

async function removeFile(place: Place | undefined, path: string): Promise<void> {
  if (place?.stat === undefined) return;
  if (place.stat.isDirectory())
    throw new SandboxRefusal(`\`${path}\` is a directory; only files can be removed`);
  await unlink(join(place.directory, place.name)).catch(unlessMissing);
  await syncDirectory(place.directory);
}

async function listDirectory(
  place: Place | undefined,
  path: string,
  mayShow: (name: string) => boolean,
): Promise<{ name: string; kind: FileStat['kind'] }[]> {
  if (place?.self === undefined) throw new SandboxRefusal(`there is no directory \`${path}\``);
  if (!place.stat?.isDirectory()) throw new SandboxRefusal(`\`${path}\` is not a directory`);
  const entries: { name: string; kind: FileStat['kind'] }[] = [];
  for await (const entry of await opendir(place.self)) {
    if (temporaryName.test(entry.name) || !mayShow(entry.name)) continue;
    if (entries.length === maxEntries)
      throw new SandboxRefusal(`\`${path}\` holds more than 100,000 entries`);
    entries.push({ name: entry.name, kind: kindOf(entry) });
  }
  return entries.sort((left, right) => (left.name < right.name ? -1 : 1));
}

type Kinds = Pick<Stats, 'isFile' | 'isDirectory' | 'isSymbolicLink'>;

function kindOf(entry: Kinds): FileStat['kind'] {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  return entry.isSymbolicLink() ? 'symlink' : 'other';
}

function toFileStat(stat: Stats): FileStat {
  return { kind: kindOf(stat), size: stat.size };
}

function describe(stat: Stats): string {
  const words = {
    file: 'a file',
    directory: 'a directory',
    symlink: 'a symbolic link',
    other: 'a device or a pipe',
  };
  return words[kindOf(stat)];
}

function tooLarge(path: string, maxBytes: number): SandboxRefusal {
  return new SandboxRefusal(`\`${path}\` is larger than ${maxBytes.toLocaleString('en')} bytes`);
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

const refusals: Record<string, string> = {
  EACCES: 'may not be opened by the user Perdure runs as',
  EPERM: 'may not be changed by the user Perdure runs as',
  EROFS: 'is on a read-only file system',
  ENOSPC: 'cannot be written: the disk is full',
  EDQUOT: 'cannot be written: the disk quota is used up',
  ENOENT: 'does not exist, or was removed meanwhile',
  ENOTDIR: 'was replaced by something else meanwhile',
  EISDIR: 'is a directory',
  ENAMETOOLONG: 'has too long a name',
  ELOOP: 'is a loop of symbolic links',
  EINVAL: 'is a name this file system does not take',
};

/** What the file system says no to is an answer for the model; the rest is ours. */
export function refusal(error: NodeJS.ErrnoException, path: string): Error {
  const reason = error instanceof SandboxRefusal ? undefined : refusals[error.code ?? ''];
  return reason === undefined ? error : new SandboxRefusal(`\`${path}\` ${reason}`);
}
