// A copy of this repository as git would take it from the working tree: no packages, no data, nothing ignored.
import { execFile } from 'node:child_process';
import { cp, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

export const repository = path.resolve(import.meta.dirname, '..', '..');

export async function copyRepository(to: string): Promise<void> {
  const { stdout } = await promisify(execFile)('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: repository,
    // The names of a large repository; execFile's own bound is 1 MiB.
    maxBuffer: 64 * 1024 * 1024,
  });
  for (const name of stdout.split('\0').filter(Boolean)) {
    await mkdir(path.dirname(path.join(to, name)), { recursive: true });
    // A file may be deleted in the working tree and not yet in the index.
    await cp(path.join(repository, name), path.join(to, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}
