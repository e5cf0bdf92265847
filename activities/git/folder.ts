// The git directory the host owns for one project: objects shared by the trees of all its runs, and the index files
// of recordings. It is laid out by hand: `git init` would copy templates and read more than it writes.
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from './replace-file.ts';

// No recording takes this long, so an older index file was left by a killed process.
const staleAfterMs = 24 * 60 * 60 * 1000;

const files = {
  HEAD: 'ref: refs/heads/none\n',
  config: '[core]\n\trepositoryformatversion = 0\n\tbare = true\n',
  // Outranks every .gitattributes of the project: bytes are recorded as they are, and no driver is asked for.
  'info/attributes': '* -text -eol -ident -filter -working-tree-encoding !diff\n',
  // What a write of ours leaves for a moment beside the file it replaces.
  'info/exclude': '.perdure-*.tmp\n',
};

/** May be called at the same time for the same folder. */
export async function ensureGitFolder(gitFolder: string): Promise<void> {
  for (const folder of ['objects/info', 'objects/pack', 'refs/heads', 'info', 'indexes']) {
    await mkdir(join(gitFolder, folder), { recursive: true, mode: 0o700 });
  }
  for (const [name, content] of Object.entries(files)) {
    await replaceFile(join(gitFolder, name), content, join(gitFolder, 'indexes'));
  }
}

/** A new index file of its own for one recording, filled from the last one so that unchanged files are not read. */
export async function openIndex(gitFolder: string, name = 'last'): Promise<string> {
  await removeStale(gitFolder);
  const own = join(gitFolder, 'indexes', randomUUID());
  const last = join(gitFolder, 'indexes', name);
  try {
    const { mtimeMs } = await stat(last);
    await copyFile(last, own);
    // Git takes a file changed after the index for possibly changed. A copy that looks younger would hide changes.
    const seconds = Math.floor(mtimeMs) / 1000;
    await utimes(own, seconds, seconds);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return own;
}

export async function keepIndex(gitFolder: string, index: string, name = 'last'): Promise<void> {
  await rename(index, join(gitFolder, 'indexes', name));
}

export async function dropIndex(index: string): Promise<void> {
  await rm(index, { force: true });
  await rm(`${index}.lock`, { force: true });
}

async function removeStale(gitFolder: string): Promise<void> {
  const folder = join(gitFolder, 'indexes');
  for (const name of (await readdir(folder)).filter((name) => name !== 'last')) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > staleAfterMs)
      await rm(join(folder, name), { force: true });
  }
}
