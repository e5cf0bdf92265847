// The files of a mount, as one call may use them. No operation leaves the root, whatever is swapped meanwhile.
import { constants, type Stats } from 'node:fs';
import { open, opendir, readdir, rename, stat as statOf, unlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join, posix } from 'node:path';
import { ignoreFilesAbove, ignoreFilesIn } from './ignore-files.ts';
import { insidePath, locate, recheck, requireUse, type Located, type Root, type Walk } from './locate.ts';
import { type FileStat, type PathRule, type Sandbox, SandboxRefusal } from '../sandbox.ts';
import { searchIn } from './search.ts';

// A listing this long helps no reader and costs memory per entry.
const maxEntries = 100_000;
// No write takes this long, so an older temporary file was left by a killed process.
const staleAfterMs = 60_000;
const temporaryName = /^\.perdure-[0-9a-f]{24}\.tmp$/;

type FilesOfRoot = Omit<Sandbox, 'root' | 'beside' | 'exec' | 'follow'>;

/** `beside`: other directories, each reached by its own absolute path, and only to be read. */
export function filesOf(root: Root, beside: readonly Root[] = []): FilesOfRoot & Pick<Sandbox, 'beside'> {
  const own = filesIn(root);
  const others = beside.map((each) => ({ each, files: readOnlyIn(each, root.mayUse) }));
  const at = (path: string): FilesOfRoot =>
    others.find(({ each }) => path === each.given || path.startsWith(`${each.given}/`))?.files ?? own;
  return {
    beside: beside.map(({ given }) => given),
    read: (path, maxBytes) => at(path).read(path, maxBytes),
    write: (path, bytes, isExecutable) => at(path).write(path, bytes, isExecutable),
    remove: (path) => at(path).remove(path),
    stat: (path) => at(path).stat(path),
    resolve: (path) => at(path).resolve(path),
    list: (path) => at(path).list(path),
    ignoreFiles: (path) => at(path).ignoreFiles(path),
    search: (options) => at(options.path).search(options),
  };
}

/** Real paths in it are absolute: the same name may be in another project too. */
function readOnlyIn(root: Root, mayUse: PathRule): FilesOfRoot {
  const refuse = async (path: string): Promise<never> => {
    throw new SandboxRefusal(`\`${path}\` is in ${root.given}, which this run only reads`);
  };
  const files = filesIn({ ...root, mayUse: (path, reach) => mayUse(join(root.given, path), reach) });
  return {
    ...files,
    write: refuse,
    remove: refuse,
    resolve: async (path) => join(root.given, await files.resolve(path)),
  };
}

function filesIn(root: Root): FilesOfRoot {
  return {
    read: (path, maxBytes) => at(root, path, reading, (located) => readFile(located, path, maxBytes)),
    write: (path, bytes, isExecutable) =>
      at(root, path, writing, (located) => writeFile(root, located, path, { bytes, isExecutable })),
    remove: (path) => at(root, path, looking, (located) => removeFile(located, path)),
    stat: (path) => at(root, path, looking, async (located) => located?.stat && toFileStat(located.stat)),
    resolve: (path) => at(root, path, reading, async (located) => located?.real ?? insidePath(root, path)),
    list: (path) =>
      at(root, path, reading, (located) => listDirectory(located, path, mayFind(root, path, located))),
    ignoreFiles: (path) =>
      at({ ...root, mayUse: () => undefined }, path, reading, async (located) => {
        const above = located?.real === '.' ? await ignoreFilesAbove(root.real) : [];
        return located?.self === undefined ? [] : [...above, ...(await ignoreFilesIn(located.self))];
      }),
    search: (options) =>
      at(root, options.path, reading, (located) =>
        searchIn(root, located, options, mayFind(root, options.path, located)),
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
  use: (located: Located | undefined) => Promise<Result>,
): Promise<Result> {
  let located: Located | undefined;
  try {
    located = await locate(root, path, walk);
    if (located !== undefined) requireAllowed(root, path, located);
    return await use(located);
  } catch (error) {
    throw refusal(error as NodeJS.ErrnoException, path);
  } finally {
    await located?.close();
  }
}

/** A directory that lies where its name says is allowed: each name found in it is checked by itself. */
function requireAllowed(root: Root, path: string, located: Located): void {
  const named = insidePath(root, path) || '.';
  if (located.real === named && located.stat?.isDirectory() === true) return;
  if (located.stat?.isDirectory() !== true) requireUse(root, named);
  requireUse(root, located.real);
}

/** Whether a listing or a search may show what it has found: by the name it has there, and by its real one. */
function mayFind(root: Root, path: string, located: Located | undefined): (name: string) => boolean {
  const bases = new Set([insidePath(root, path), ...(located === undefined ? [] : [located.real])]);
  return (name) => [...bases].every((base) => root.mayUse(posix.join(base, name), 'below') === undefined);
}

async function readFile(
  located: Located | undefined,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  if (located?.self === undefined || located.stat === undefined) return undefined;
  if (!located.stat.isFile())
    throw new SandboxRefusal(`\`${path}\` is ${describe(located.stat)}, not a file`);
  if (located.stat.size > maxBytes) throw tooLarge(path, maxBytes);
  const file = await open(located.self, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const now = await file.stat();
    // Where paths are not held by descriptor, the file may have been swapped since it was looked at.
    if (now.ino !== located.stat.ino || now.dev !== located.stat.dev)
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

async function writeFile(
  root: Root,
  located: Located | undefined,
  path: string,
  content: { bytes: Buffer; isExecutable: boolean | undefined },
): Promise<void> {
  if (located === undefined) throw new SandboxRefusal(`the directory of \`${path}\` was removed meanwhile`);
  if (located.stat !== undefined && !located.stat.isFile()) {
    throw new SandboxRefusal(`\`${path}\` is ${describe(located.stat)}, not a file`);
  }
  await removeStale(located.directory);
  const temporary = join(located.directory, `.perdure-${randomBytes(12).toString('hex')}.tmp`);
  try {
    await writeDurably(temporary, content, located.stat);
    await recheck(root, located, path);
    // Replaces the name: what else is linked to the old file is left alone.
    await rename(temporary, join(located.directory, located.name));
  } catch (error) {
    await unlink(temporary).catch(unlessMissing);
    throw error;
  }
  await syncDirectory(located.directory);
}

async function writeDurably(
  temporary: string,
  { bytes, isExecutable }: { bytes: Buffer; isExecutable: boolean | undefined },
  before: Stats | undefined,
): Promise<void> {
  const file = await open(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  );
  try {
    // Only root can give a file away; any other user owns the new file, as with any editor. A new one belongs to whom
    // its folder belongs to, so that commands which are not root may change it.
    if (process.getuid?.() === 0) {
      const owner = before ?? (await statOf(dirname(temporary)));
      await file.chown(owner.uid, owner.gid);
    }
    if (before !== undefined) await file.chmod(before.mode & 0o7777);
    if (isExecutable !== undefined) {
      const { mode } = await file.stat();
      // As git does: a user who may read it may run it.
      await file.chmod(isExecutable ? (mode | ((mode & 0o444) >> 2)) & 0o7777 : mode & ~0o111 & 0o7777);
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

async function removeFile(located: Located | undefined, path: string): Promise<void> {
  if (located?.stat === undefined) return;
  if (located.stat.isDirectory())
    throw new SandboxRefusal(`\`${path}\` is a directory; only files can be removed`);
  await unlink(join(located.directory, located.name)).catch(unlessMissing);
  await syncDirectory(located.directory);
}

async function listDirectory(
  located: Located | undefined,
  path: string,
  mayShow: (name: string) => boolean,
): Promise<{ name: string; kind: FileStat['kind'] }[]> {
  if (located?.self === undefined) throw new SandboxRefusal(`there is no directory \`${path}\``);
  if (!located.stat?.isDirectory()) throw new SandboxRefusal(`\`${path}\` is not a directory`);
  const entries: { name: string; kind: FileStat['kind'] }[] = [];
  for await (const entry of await opendir(located.self)) {
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
  return { kind: kindOf(stat), size: stat.size, isExecutable: (stat.mode & 0o100) !== 0 };
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
