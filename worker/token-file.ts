// The file "token" of a data folder: the value of the one token that its owner has without asking for it.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { TokenFile } from '../activities/store/access/data-folder-token.ts';
import { writeFileWhole } from './write-file-whole.ts';

export function tokenFileOf(dataFolder: string): TokenFile {
  const file = path.join(dataFolder, 'token');
  return {
    async read() {
      try {
        return (await readFile(file, 'utf8')).trim();
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT') return undefined;
        throw new Error(`The token file ${file} cannot be read (${code}): remove it, and it is made anew.`);
      }
    },
    write: async (value) => writeFileWhole(file, `${value}\n`),
  };
}
