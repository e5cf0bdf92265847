// Finds what a path names without ever leaving the root. On Linux each component is opened by itself, through the
// descriptor of its directory and without following links, so nothing can be swapped between check and use.
// Links are followed by hand, and only while they stay inside. Elsewhere real paths are compared and compared again
// after use, which a fast attacker can race: there the root is only as safe as the processes that write to it.
import { constants, type Stats } from 'node:fs';
import {
  chown,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  stat,
} from 'node:fs/promises';
import { dirname, isAbsolute, join, posix, relative } from 'node:path';
import { PathDenied, type PathRule, SandboxRefusal } from '../sandbox.ts';

export interface Root {
  /** As people know it. */
  given: string;
  real: string;
  /** Undefined where directories cannot be held by descriptor. */
  handle: FileHandle | undefined;
  mayUse: PathRule;
}

export interface Located {
  /** The directory that holds it, as a path for system calls that is valid until `close`. */
  directory: string;
  /** Its name in that directory; empty for the root itself. */
  name: string;
  /** Where it lies once links are followed, relative to the root; the root itself is `.`. */
  real: string;
  /** The thing itself when it exists: system calls on this path meet what `stat` describes. */
  self: string | undefined;
  stat: Stats | undefined;
  close(): Promise<void>;
}

export interface Walk {
  /** Follow the last component when it is a link. */
  follow: boolean;
  /** Make directories that are missing on the way. */
  makeParents: boolean;
}

// A descriptor that only names a file: opening a device or a FIFO this way has no effect on it. Linux only, and
// missing in Node's constants.
const O_PATH = 0o10000000;
// As many as the kernel follows before it calls it a loop.
const maxLinks = 40;
// PATH_MAX and NAME_MAX on Linux.
const maxPathBytes = 4096;
const maxNameBytes = 255;

/** All of it may be used. */
export async function openRoot(given: string): Promise<Root> {
  const real = await realpath(given);
  const isLinux = process.platform === 'linux';
  const handle = isLinux ? await openBare(real, constants.O_DIRECTORY) : undefined;
  return { given, real, handle, mayUse: () => undefined };
}

export function requireUse({ mayUse }: Root, real: string): void {
  const problem = mayUse(real, 'itself');
  if (problem !== undefined) throw new PathDenied(problem);
}

/** Undefined when a directory on the way is missing, or is none. */
export async function locate(root: Root, path: string, walk: Walk): Promise<Located | undefined> {
  const inside = insidePath(root, path);
  return root.handle === undefined
    ? await locateByRealPath(root, inside, path, walk)
    : await locateByDescriptor(root, root.handle, inside, path, walk);
}

export function insidePath(root: Root, path: string): string {
  if (path.includes('\0')) throw new SandboxRefusal('the path holds a NUL character');
  if (Buffer.byteLength(path) > maxPathBytes) throw new SandboxRefusal('the path is longer than 4,096 bytes');
  const base = [root.given, root.real].find(
    (base) => path === base || path.startsWith(`${base.replace(/\/$/, '')}/`),
  );
  const inside = posix.normalize(base === undefined ? path : `./${path.slice(base.length)}`);
  if (isAbsolute(inside) || inside === '..' || inside.startsWith('../')) throw outside(path);
  const names = inside.split('/').filter((name) => name !== '' && name !== '.');
  if (names.some((name) => Buffer.byteLength(name) > maxNameBytes)) {
    throw new SandboxRefusal('a name in the path is longer than 255 bytes');
  }
  return names.join('/');
}

async function locateByDescriptor(
  root: Root,
  rootHandle: FileHandle,
  inside: string,
  path: string,
  walk: Walk,
): Promise<Located | undefined> {
  const opened: FileHandle[] = [];
  const stack: FileHandle[] = [rootHandle];
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((handle) => handle.close()));
  };
  // The names of the directories on the stack, the root's left out.
  const way: string[] = [];
  const located = (name: string, handle: FileHandle | undefined, stat: Stats | undefined): Located => {
    const directory = viaDescriptor(stack.at(-1) as FileHandle);
    const real = toReal([...way, name]);
    return { directory, name, real, self: handle && viaDescriptor(handle), stat, close };
  };
  try {
    const queue = inside.split('/').filter((name) => name !== '');
    for (let links = 0; ; ) {
      const written = queue.shift();
      const top = stack.at(-1) as FileHandle;
      if (written === undefined) return located('', top, await top.stat());
      if (written === '..') {
        if (stack.length === 1) throw outside(path);
        stack.pop();
        way.pop();
        continue;
      }
      const isLast = queue.length === 0;
      const found = await openNamed(viaDescriptor(top), written);
      const { name, at } = found;
      let { handle } = found;
      if (handle === undefined && !isLast && walk.makeParents && !queue.includes('..')) {
        // Only new names follow, so it is known where this leads, before anything is made.
        requireUse(root, toReal([...way, name, ...queue]));
        await makeDirectory(at);
        handle = await openBare(at, constants.O_NOFOLLOW);
        if (handle !== undefined) await giveToOwnerOf(viaDescriptor(top), handle);
      }
      if (handle === undefined) {
        if (isLast) return located(name, undefined, undefined);
        await close();
        return undefined;
      }
      opened.push(handle);
      const stat = await handle.stat();
      if (stat.isSymbolicLink() && (walk.follow || !isLast)) {
        links += 1;
        if (links > maxLinks) throw new SandboxRefusal(`\`${path}\` is a loop of symbolic links`);
        const target = linkTarget(root, await readlink(at), path);
        if (target.fromRoot) {
          stack.length = 1;
          way.length = 0;
        }
        queue.unshift(...target.names);
      } else if (isLast) {
        return located(name, handle, stat);
      } else if (stat.isDirectory()) {
        stack.push(handle);
        way.push(name);
      } else {
        await close();
        if (walk.makeParents) throw new SandboxRefusal(`\`${name}\` in \`${path}\` is not a directory`);
        return undefined;
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
}

function toReal(names: string[]): string {
  return posix.join(...names.filter((name) => name !== '')) || '.';
}

function linkTarget(root: Root, target: string, path: string): { fromRoot: boolean; names: string[] } {
  const names = (rest: string): string[] => rest.split('/').filter((name) => name !== '' && name !== '.');
  if (!isAbsolute(target)) return { fromRoot: false, names: names(target) };
  const base = [root.real, root.given].find((base) => target === base || target.startsWith(`${base}/`));
  if (base === undefined) throw outside(path);
  return { fromRoot: true, names: names(target.slice(base.length)) };
}

export async function locateByRealPath(
  root: Root,
  inside: string,
  path: string,
  walk: Walk,
): Promise<Located | undefined> {
  const close = async (): Promise<void> => {};
  if (inside === '') {
    const stat = await lstat(root.real);
    return { directory: root.real, name: '', real: '.', self: root.real, stat, close };
  }
  const wanted = join(root.real, inside);
  if (walk.makeParents) await makeInside(root, dirname(wanted), path);
  const directory = await realpath(dirname(wanted)).catch(missing);
  if (directory === undefined) return undefined;
  requireInside(root, directory, path);
  const name = posix.basename(inside);
  const self = join(directory, name);
  const stat = await lstat(self).catch(missing);
  if (stat?.isSymbolicLink() && walk.follow) {
    const target = await realpath(self).catch(missing);
    if (target === undefined) throw new SandboxRefusal(`\`${path}\` is a symbolic link to nothing`);
    requireInside(root, target, path);
    return {
      directory: dirname(target),
      name: posix.basename(target),
      real: relative(root.real, target) || '.',
      self: target,
      stat: await lstat(target),
      close,
    };
  }
  return { directory, name, real: relative(root.real, self), self: stat && self, stat, close };
}

async function makeInside(root: Root, directory: string, path: string): Promise<void> {
  let existing = directory;
  while ((await lstat(existing).catch(missing)) === undefined) existing = dirname(existing);
  const real = await realpath(existing);
  requireInside(root, real, path);
  if (existing === directory) return;
  requireUse(
    root,
    join(relative(root.real, real), relative(existing, join(root.real, insidePath(root, path)))),
  );
  await mkdir(directory, { recursive: true });
}

/** The second look where paths cannot be held: it must still be inside after the use. */
export async function recheck(root: Root, located: Located, path: string): Promise<void> {
  if (root.handle === undefined) requireInside(root, await realpath(located.directory), path);
}

function requireInside(root: Root, real: string, path: string): void {
  const way = relative(root.real, real);
  if (way === '..' || way.startsWith('../') || isAbsolute(way)) throw outside(path);
}

function outside(path: string): SandboxRefusal {
  return new SandboxRefusal(`\`${path}\` leads outside the project directory; use a path inside it`);
}

function viaDescriptor(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`;
}

async function openBare(path: string, flags: number): Promise<FileHandle | undefined> {
  return await open(path, O_PATH | flags).catch(missing);
}

/** Opens what is there under a name as written, or else in the other normal form. */
async function openNamed(
  directory: string,
  written: string,
): Promise<{ name: string; at: string; handle: FileHandle | undefined }> {
  const at = `${directory}/${written}`;
  const handle = await openBare(at, constants.O_NOFOLLOW);
  const name = handle === undefined ? await sameName(directory, written) : undefined;
  if (name === undefined) return { name: written, at, handle };
  const there = `${directory}/${name}`;
  return { name, at: there, handle: await openBare(there, constants.O_NOFOLLOW) };
}

/**
 * The one name of the directory that is the same text in another normal form: some systems write é as one character,
 * some as two, and a model writes the one it knows. Systems without descriptors here do this themselves.
 */
async function sameName(directory: string, written: string): Promise<string | undefined> {
  const wanted = written.normalize('NFC');
  if (wanted === written.normalize('NFD')) return undefined;
  const names = (await readdir(directory).catch(missing)) ?? [];
  const same = names.filter((name) => name.normalize('NFC') === wanted);
  return same.length === 1 ? same[0] : undefined;
}

/**
 * What root makes in a tree belongs to whom the folder belongs to: commands in a container are not root, and could not
 * change it. Only of what has just been made.
 */
async function giveToOwnerOf(folder: string, made: FileHandle): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const [owner, now] = [await stat(folder), await made.stat()];
  if (owner.uid !== 0 && now.uid === 0 && now.isDirectory())
    await chown(viaDescriptor(made), owner.uid, owner.gid);
}

async function makeDirectory(path: string): Promise<void> {
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
