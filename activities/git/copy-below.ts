// Copies from a folder that others write in while it is read. No link is followed, neither on the way nor below, so that
// nothing can be swapped for a link to what the writer may not read.
import { constants, type Stats } from 'node:fs';
import { copyFile, lstat, mkdir, open, readdir, readlink, symlink, utimes } from 'node:fs/promises';
import { GitProblem } from './command.ts';
import { withFolder, within } from './held-folder.ts';
import { isGone } from './plain-file.ts';

// Each level holds a descriptor. What is deeper is no dependency and no object of git, and is left out.
const mostDepth = 100;
// As many as the thread pool has use for.
const atOnce = 16;
// Some GB of dependencies on a slow disk.
const copyMs = 300_000;

export interface CopyBelow {
  /** A real path. */
  root: string;
  /** What is copied, below it. */
  path: Buffer;
  /** What else has the name is not copied. */
  kind: 'file' | 'folder';
  /** Of a folder nothing is there yet; a file is overwritten. */
  to: Buffer;
  /** In a folder: as they are, wherever they lead, or none. */
  links: 'kept' | 'left-out';
}

/** Leaves out what is no file, folder or link, and what is gone or behind a link. Rejects with a GitProblem after its time. */
export async function copyBelow({ root, path, kind, to, links }: CopyBelow): Promise<void> {
  const until = performance.now() + copyMs;

  async function copy(from: Buffer, target: Buffer, depth: number): Promise<void> {
    const found = await lstat(from);
    if (found.isDirectory()) await copyFolder(from, target, depth);
    else if (found.isFile()) await copyPlain(from, target);
    else if (found.isSymbolicLink() && links === 'kept')
      await symlink(await readlink(from, 'buffer'), target);
  }

  async function copyFolder(from: Buffer, target: Buffer, depth: number): Promise<void> {
    if (depth > mostDepth) return;
    await withFolder(from, async (folder) => {
      await mkdir(target, { mode: 0o777 });
      const names = await readdir(folder.path, 'buffer');
      for (let at = 0; at < names.length; at += atOnce) {
        if (performance.now() > until)
          throw new GitProblem(`copying ${root}/${path.toString()} took too long`);
        const some = names.slice(at, at + atOnce);
        await Promise.all(
          some.map((name) =>
            copy(within(folder.path, name), within(target, name), depth + 1).catch(unlessGone),
          ),
        );
      }
      await keepTimes(target, await folder.stat());
    });
  }

  async function walk(folder: Buffer, rest: Buffer): Promise<void> {
    const end = rest.indexOf('/');
    const last = within(folder, rest);
    if (end < 0) return kind === 'file' ? copyPlain(last, to) : copyFolder(last, to, 0);
    await withFolder(within(folder, rest.subarray(0, end)), (inside) =>
      walk(inside.path, rest.subarray(end + 1)),
    );
  }

  await withFolder(Buffer.from(root), (folder) => walk(folder.path, path)).catch(unlessGone);
}

async function copyPlain(from: Buffer, target: Buffer): Promise<void> {
  const file = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return;
    const opened = process.platform === 'linux' ? `/proc/self/fd/${file.fd}` : from;
    await copyFile(opened, target, constants.COPYFILE_FICLONE);
    await keepTimes(target, stat);
  } finally {
    await file.close();
  }
}

/** What builds go by. */
async function keepTimes(target: Buffer, { atime, mtime }: Pick<Stats, 'atime' | 'mtime'>): Promise<void> {
  await utimes(target, atime, mtime);
}

/** Gone; or another thing by now, or listed twice while it was moved. */
function unlessGone(error: unknown): void {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (!isGone(error) && !['ELOOP', 'EINVAL', 'EEXIST'].includes(code)) throw error;
}
