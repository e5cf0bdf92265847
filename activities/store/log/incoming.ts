// Takes bytes as they come, with their hash: small content stays in memory, what is larger goes to a file at once. So a
// process holds no more than a piece of it, however many send at a time.
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { v7 as uuid } from 'uuid';

export interface Incoming {
  key: string;
  size: number;
  /** In memory, or in a file that is whole on the disk; the caller removes the file. */
  held: { bytes: Buffer } | { file: string };
}

/** Undefined: there is more than `most`, and nothing is left of it. */
export async function receive(
  source: AsyncIterable<Uint8Array>,
  { folder, most, inMemory }: { folder: string; most: number; inMemory: number },
): Promise<Incoming | undefined> {
  const hash = createHash('sha256');
  // Without the name of content: left by a process that died, it is swept as such.
  const file = path.join(folder, `.incoming.${uuid()}`);
  let chunks: Uint8Array[] = [];
  let size = 0;
  let handle: FileHandle | undefined;
  let whole = false;
  try {
    // Left early, the loop closes what it reads from.
    for await (const chunk of source) {
      size += chunk.length;
      if (size > most) return undefined;
      hash.update(chunk);
      chunks.push(chunk);
      if (size <= inMemory) continue;
      if (handle === undefined) {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        handle = await open(file, 'wx', 0o600);
      }
      await handle.writeFile(Buffer.concat(chunks));
      chunks = [];
    }
    await handle?.sync();
    whole = true;
    const key = hash.digest('hex');
    return { key, size, held: handle === undefined ? { bytes: Buffer.concat(chunks) } : { file } };
  } finally {
    await handle?.close();
    // A full disk is not made fuller by each try.
    if (handle !== undefined && !whole) await rm(file, { force: true });
  }
}
