// Which processes have a file open, found by the file itself (device and number) and not by what it is called: a link,
// a bind mount, a move or an encoding changes a name and never the file.
import { spawnSync } from 'node:child_process';
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import path from 'node:path';

const isLinux = process.platform === 'linux';

/** Processes of users that we may not look at are left out; the caller has a second way to know those. */
export function openersOf(files: readonly string[]): number[] {
  const there = files.filter((file) => statSync(file, { throwIfNoEntry: false }) !== undefined);
  if (there.length === 0) return [];
  return isLinux ? openersByProc(there) : openersByLsof(there);
}

/** Whether the process stands in this folder, and the path by which it stands there still leads to it. */
export function standsIn(pid: number, folder: string): boolean {
  // Elsewhere only its command line tells, which the caller has compared.
  if (!isLinux) return true;
  const there = attempt(() => readlinkSync(`/proc/${pid}/cwd`));
  return there !== undefined && isSame(there, folder);
}

function isSame(one: string, other: string): boolean {
  const [first, second] = [one, other].map((each) => attempt(() => statSync(each, { bigint: true })));
  return first !== undefined && first.ino === second?.ino && first.dev === second.dev;
}

function openersByProc(files: string[]): number[] {
  const byName = Map.groupBy(files, (file) => path.basename(file));
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => hasOpen(pid, byName)).map(Number);
}

function hasOpen(pid: string, byName: Map<string, string[]>): boolean {
  const folder = `/proc/${pid}/fd`;
  return (attempt(() => readdirSync(folder)) ?? []).some((fd) => {
    const self = `${folder}/${fd}`;
    const target = attempt(() => readlinkSync(self));
    if (target === undefined) return false;
    // The name spares a look at each file of each process, some of which lie on disks that do not answer.
    return (byName.get(path.basename(target)) ?? []).some((file) => isSame(self, file));
  });
}

function openersByLsof(files: string[]): number[] {
  const { stdout } = spawnSync('lsof', ['-t', '--', ...files], { encoding: 'utf8' });
  return (stdout ?? '').split('\n').filter(Boolean).map(Number);
}

/** Undefined when the process has ended meanwhile, or belongs to a user whose processes we may not look at. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
