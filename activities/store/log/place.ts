// Where large content lies, by its key: whole, or not there. This is the folder kind; `bucket.ts` is the other.
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { v7 as uuid } from 'uuid';

/** A file stays the caller's. */
export type Content = Buffer | { file: string; size: number };

export interface Place {
  /** Atomic, and the same each time: a key has one content. */
  put(key: string, content: Content): Promise<void>;
  has(key: string): Promise<boolean>;
  get(key: string): Promise<Buffer | undefined>;
  /** By its name, as it was found or as `nameOf` its key. What is not there is removed already. */
  remove(name: string): Promise<void>;
  /** All that was written before, in pages. */
  found(before: Date): AsyncIterable<FoundContent[]>;
}

export interface FoundContent {
  place: Place;
  name: string;
  /** Undefined for what was never finished. */
  key: string | undefined;
  bytes: number;
}

// What a statement of the database takes at once; S3 lists as many.
const perPage = 1000;

/** The same below a folder and below a prefix: two letters of the key keep folders small. */
export function nameOf(key: string): string {
  return `${key.slice(0, 2)}/${key}`;
}

export function keyOf(name: string): string | undefined {
  return /^[0-9a-f]{64}$/.exec(path.posix.basename(name))?.[0];
}

export function createFolder(folder: string): Place {
  const fileOf = (name: string): string => path.join(folder, name);
  const place: Place = {
    put: (key, content) =>
      Buffer.isBuffer(content)
        ? writeOnce(fileOf(nameOf(key)), content)
        : linkOnce(content.file, fileOf(nameOf(key))),
    has: (key) =>
      stat(fileOf(nameOf(key))).then(
        () => true,
        () => false,
      ),
    get: (key) => readFile(fileOf(nameOf(key))).catch(undefinedOf),
    remove: (name) => rm(fileOf(name), { force: true }),
    async *found(before) {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(undefinedOf);
      let page: FoundContent[] = [];
      for (const entry of entries?.filter((each) => each.isFile()) ?? []) {
        const file = path.join(entry.parentPath, entry.name);
        // It may have gone meanwhile.
        const seen = await stat(file).catch(() => undefined);
        if (seen === undefined || seen.mtimeMs >= before.getTime()) continue;
        const name = path.relative(folder, file);
        page.push({ place, name, key: keyOf(name), bytes: seen.size });
        if (page.length < perPage) continue;
        yield page;
        page = [];
      }
      yield page;
    },
  };
  return place;
}

/** Written to the first of them, found in any. */
export function inOrder(first: Place, second: Place): Place {
  return {
    put: first.put,
    has: async (key) => (await first.has(key)) || second.has(key),
    get: async (key) => (await first.get(key)) ?? second.get(key),
    async remove(name) {
      await first.remove(name);
      await second.remove(name);
    },
    async *found(before) {
      yield* first.found(before);
      yield* second.found(before);
    },
  };
}

function undefinedOf(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

async function writeOnce(target: string, bytes: Buffer): Promise<void> {
  const folder = path.dirname(target);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = path.join(folder, `.${path.basename(target)}.${uuid()}`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    // It is tried again as long as the disk is full, which no try may make fuller.
    await rm(temporary, { force: true });
    throw error;
  }
}

/** A second name of a file that is whole; the same content is there already, or is not. */
async function linkOnce(from: string, to: string): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true, mode: 0o700 });
  await link(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}
