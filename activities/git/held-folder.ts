// Folders of a project that others may write in meanwhile, held by descriptor: what is done in one is done in that one,
// though its path may lead elsewhere by then.
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const isLinux = process.platform === 'linux';
// Names a folder without reading it, so that one that may only be searched is no obstacle. Missing in Node's constants.
const O_PATH = isLinux ? 0o10000000 : 0;

export interface HeldFolder {
  /** For system calls, until it is let go; elsewhere than on Linux the path as it was, which a fast writer can swap. */
  path: Buffer;
  stat(): Promise<Stats>;
}

/** Opens a folder for `use` alone. Not through a link in its last name: that and all that is no folder is ENOTDIR. */
export async function withFolder<Result>(
  path: Buffer,
  use: (folder: HeldFolder) => Promise<Result>,
): Promise<Result> {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const handle: FileHandle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_PATH);
  try {
    return await use({
      path: isLinux ? Buffer.from(`/proc/self/fd/${handle.fd}`) : path,
      stat: () => handle.stat(),
    });
  } finally {
    await handle.close();
  }
}

export function within(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from('/'), name]);
}

/**
 * Does something to a file below a folder, each folder on the way opened by itself: a link that is swapped in leads
 * nowhere. Rejects with ENOTDIR where one is a link or no folder. `path` is latin1.
 */
export async function fileIn<Result>(
  top: string,
  path: string,
  use: (file: Buffer, folder: Buffer) => Promise<Result>,
): Promise<Result> {
  const go = async (folder: Buffer, [name = '', ...rest]: readonly string[]): Promise<Result> => {
    const next = within(folder, Buffer.from(name, 'latin1'));
    return rest.length === 0 ? use(next, folder) : withFolder(next, (inside) => go(inside.path, rest));
  };
  return go(Buffer.from(top), path.split('/'));
}

/** Those that a file lies in, the topmost first. */
export function foldersOf(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_name, at) => names.slice(0, at + 1).join('/'));
}
