// Files that a command is given by name.
import { readFile, writeFile } from 'node:fs/promises';
import { UsageError } from './server.ts';

export function readTextFile(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'ENOENT' ? `There is no file ${path}.` : `${path} cannot be read (${error.code}).`,
    );
  });
}

/** Never in place of one there is. */
export async function writeNewFile(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'EEXIST'
        ? `There is a file ${path} already; name another with --file.`
        : `${path} cannot be written (${error.code}).`,
    );
  });
}
