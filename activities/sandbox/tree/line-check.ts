// Whether a line that a search shows is in the tree. The search opens files by their names, and a command may put a link in
// the place of a folder meanwhile: what was read through it must not be told, nor whether it was there.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { posix } from 'node:path';
import { SandboxRefusal } from '../sandbox.ts';
import { locate, type Root } from './locate.ts';
import type { MatchedLine } from './search-output.ts';

/** What comes out of the descriptor of a file, as the search counts its bytes. */
interface Content {
  read(length: number, at: number): Promise<Buffer>;
  close(): Promise<void>;
}

export interface LineCheck {
  /** Asked file by file: the last one is kept open. */
  holds(line: MatchedLine): Promise<boolean>;
  close(): Promise<void>;
}

/** `folder`: what the names of the lines count from, by its real path in the root. */
export function createLineCheck(root: Root, folder: string): LineCheck {
  let name: string | undefined;
  let content: Content | undefined;

  async function turnTo(found: string): Promise<void> {
    await content?.close();
    [name, content] = [found, undefined];
    content = await openContent(root, posix.join(folder, found)).catch(unlessUnreadable);
  }

  return {
    async holds({ path, whole, at }) {
      if (path !== name) await turnTo(path);
      // Of a line of megabytes nothing is shown.
      if (content === undefined || whole === undefined) return content !== undefined;
      return (await content.read(whole.length, at)).equals(whole);
    },
    close: async () => content?.close(),
  };
}

/** Undefined of what is no file, or lies elsewhere than its name says. */
async function openContent(root: Root, path: string): Promise<Content | undefined> {
  const located = await locate(root, path, { follow: false, makeParents: false });
  try {
    if (!located?.stat?.isFile() || located.self === undefined || located.real !== path) return undefined;
    const file = await open(located.self, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const now = await file.stat();
      // Where paths are not held by descriptor, the file may have been swapped since it was looked at.
      const isSame = now.ino === located.stat.ino && now.dev === located.stat.dev;
      const content = isSame ? await contentOf(file, now.size) : undefined;
      if (content === undefined) await file.close();
      return content;
    } catch (error) {
      await file.close();
      throw error;
    }
  } finally {
    await located?.close();
  }
}

// More than a person writes in UTF-16, which is turned round as a whole.
const maxUtf16Bytes = 32 * 1024 * 1024;

/** The mark at its start is not counted, and UTF-16 is searched as UTF-8. */
async function contentOf(file: FileHandle, size: number): Promise<Content | undefined> {
  const close = (): Promise<void> => file.close();
  const mark = (await readAt(file, 3, 0)).toString('hex');
  const encoding = { fffe: 'utf-16le', feff: 'utf-16be' }[mark.slice(0, 4)];
  if (encoding === undefined) {
    const start = mark === 'efbbbf' ? 3 : 0;
    return { read: (length, at) => readAt(file, length, start + at), close };
  }
  if (size > maxUtf16Bytes) return undefined;
  const text = Buffer.from(new TextDecoder(encoding).decode(await readAt(file, size, 0)));
  return { read: async (length, at) => text.subarray(at, at + length), close };
}

async function readAt(file: FileHandle, length: number, at: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}

/** What cannot be opened now is not shown. */
function unlessUnreadable(error: unknown): undefined {
  if (error instanceof SandboxRefusal || (error as NodeJS.ErrnoException).code !== undefined)
    return undefined;
  throw error;
}
