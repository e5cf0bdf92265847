// A limit for what a run adds to its work tree, where no quota holds it: free space is looked at while a command runs,
// and the tree itself only when enough of it is gone. Between two looks a command may be above.
import type { Dirent } from 'node:fs';
import { lstat, opendir, statfs } from 'node:fs/promises';
import { join } from 'node:path';

export interface DiskWatch {
  /** Aborted when the command has to end; the reason is words for the model. */
  signal: AbortSignal;
  stop(): void;
}

// A fast disk takes half a gigabyte in that time.
const lookMs = 500;
// A file system in the size of a tree's limit is read this often at most.
const walksPerLimit = 8;
// With less the machine's own programs fail: what the data folder keeps free, and a twentieth of its files.
const keptBytes = 256 * 2 ** 20;
const keptFiles = 0.05;
// What even an empty file takes.
const leastBytes = 4096;

/** `since`: when the run began to work in the tree; what is older is not its own. In milliseconds. */
export function watchDisk(tree: string, limitBytes: number, since: number): DiskWatch {
  const stopping = new AbortController();
  let walked: Free | undefined;
  let busy = false;

  async function look(): Promise<string | undefined> {
    const now = await freeAt(tree);
    if (now.bytes < keptBytes || (now.files < now.allFiles * keptFiles && now.allFiles > 0))
      return 'it was ended, for the disk of this machine is nearly full: remove what is not needed';
    walked ??= now;
    const gone = Math.max(walked.bytes - now.bytes, (walked.files - now.files) * leastBytes);
    if (gone < limitBytes / walksPerLimit) return undefined;
    walked = now;
    if ((await bytesSince(tree, since, limitBytes)) <= limitBytes) return undefined;
    const limit = `${Math.round(limitBytes / 2 ** 20).toLocaleString('en')} MB`;
    return `it was ended at the limit of ${limit} that a run may add to its work tree: remove what is not needed`;
  }

  async function lookOnce(): Promise<void> {
    if (busy) return;
    busy = true;
    // A tree that is being removed ends by itself.
    const why = await look().catch(() => undefined);
    busy = false;
    if (why !== undefined) stopping.abort(new OverDisk(why));
  }

  const timer = setInterval(() => void lookOnce(), lookMs).unref();
  void lookOnce();
  return { signal: stopping.signal, stop: () => clearInterval(timer) };
}

export class OverDisk extends Error {
  override name = 'OverDisk';
}

interface Free {
  bytes: number;
  files: number;
  allFiles: number;
}

async function freeAt(path: string): Promise<Free> {
  const { bavail, bsize, ffree, files } = await statfs(path);
  return { bytes: bavail * bsize, files: ffree, allFiles: files };
}

/** What was written or made since, up to a little more than `enough`. Links are not followed. */
async function bytesSince(tree: string, since: number, enough: number): Promise<number> {
  let bytes = 0;
  const folders = [tree];
  for (let folder = folders.pop(); folder !== undefined && bytes <= enough; folder = folders.pop()) {
    const entries = await opendir(folder).catch(() => undefined);
    for await (const entry of entries ?? ([] as Dirent[])) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(path);
      const found = await lstat(path).catch(() => undefined);
      // Unlike the time of the content, this one cannot be set.
      if (found && found.ctimeMs >= since) bytes += Math.max(found.blocks * 512, leastBytes);
      if (bytes > enough) break;
    }
  }
  return bytes;
}
