// Ends the servers of an earlier test process that was killed before it could stop them.
// Ends nothing it did not record: a process is known by its id and its start time.
import { appendFile, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { unmount } from './small-disk.ts';
import { type ProcessIdentity, runningProcess } from '../../worker/process-table.ts';
import { stopProcess } from '../../worker/supervisor/process/stop-process.ts';

const folderName = /^perdure-test-(\d+)-/;
const recordName = 'started.jsonl';

/** Remembers a server started for the tests in their folder. */
export async function recordStarted(folder: string, { pid, started }: ProcessIdentity): Promise<void> {
  await appendFile(path.join(folder, recordName), `${JSON.stringify({ pid, started })}\n`);
}

/** Ends the servers and removes the folders of test processes that are gone. */
export async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const owner = folderName.exec(name)?.[1];
    if (owner === undefined || runningProcess(Number(owner)) !== undefined) continue;
    const folder = path.join(parent, name);
    const record = await readFile(path.join(folder, recordName), 'utf8').catch(() => '');
    for (const line of record.split('\n').filter(Boolean)) {
      // Throw-away servers need no orderly end; five seconds allow for a busy machine before SIGKILL follows.
      await stopProcess(JSON.parse(line) as ProcessIdentity, [{ signal: 'SIGQUIT', waitMs: 5_000 }]);
    }
    await unmount(folder);
    await rm(folder, { recursive: true, force: true });
  }
}
