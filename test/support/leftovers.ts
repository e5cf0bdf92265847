// Ends the servers of an earlier test process that was killed before it could stop them.
// Ends nothing it did not record: a process is known by its id and its start time.
import { appendFile, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';

const folderName = /^perdure-test-(\d+)-/;
const recordName = 'started';

/** The kernel's start time of a process, or undefined when it is gone; tells a reused process id apart. */
export async function startTicks(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // Fields after the command, which stands in brackets and may hold blanks; the 20th of them is the start time.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' ? undefined : fields?.[19];
}

/** Remembers a server started for the tests in their folder. */
export async function recordStarted(folder: string, pid: number): Promise<void> {
  await appendFile(path.join(folder, recordName), `${pid} ${await startTicks(pid)}\n`);
}

/** Ends the servers and removes the folders of test processes that are gone. */
export async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const owner = folderName.exec(name)?.[1];
    if (owner === undefined || (await startTicks(Number(owner))) !== undefined) continue;
    const folder = path.join(parent, name);
    const record = await readFile(path.join(folder, recordName), 'utf8').catch(() => '');
    for (const line of record.split('\n').filter(Boolean)) await endRecorded(line);
    await rm(folder, { recursive: true, force: true });
  }
}

async function endRecorded(line: string): Promise<void> {
  const [pid, ticks] = line.split(' ');
  const isThere = async () => (await startTicks(Number(pid))) === ticks;
  if (!(await isThere())) return;
  process.kill(Number(pid), 'SIGQUIT');
  // Immediate shutdown of a throw-away server takes well under a second; five allow for a busy machine.
  for (let waited = 0; waited < 5_000 && (await isThere()); waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (await isThere()) process.kill(Number(pid), 'SIGKILL');
}
