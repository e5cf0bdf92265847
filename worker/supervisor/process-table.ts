// Which process is which: a pid together with its start time, so that a reused pid never passes for the old process.
// The kernel's table is the truth; what was written to a file before a crash may be missing or stale.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessIdentity {
  pid: number;
  /** Boot and kernel start time on Linux, the printed start time elsewhere; only ever compared for equality. */
  started: string;
}

export interface RunningProcess extends ProcessIdentity {
  /** The command line, arguments joined by one space. */
  command: string;
}

const linux = process.platform === 'linux';

function readOrUndefined(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // A process may end between being listed and being read: that is the answer "not there".
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return undefined;
    throw error;
  }
}

let bootId: string | undefined;
function boot(): string {
  bootId ??= readOrUndefined('/proc/sys/kernel/random/boot_id')?.trim() ?? 'boot';
  return bootId;
}

function linuxProcess(pid: number): RunningProcess | undefined {
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name in parentheses may hold spaces and parentheses, so fields count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie holds a pid and nothing else; where nobody reaps orphans it stays for ever.
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const command = readOrUndefined(`/proc/${pid}/cmdline`) ?? '';
  return {
    pid,
    started: `${boot()}:${fields[19]}`,
    command: command.split('\0').join(' ').trimEnd(),
  };
}

function listWithPs(): RunningProcess[] {
  const listing = execFileSync('ps', ['-axww', '-o', 'pid=,stat=,lstart=,command='], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    // Long command lines of a busy desktop stay far below this; the default of 1 MB does not.
    maxBuffer: 64 * 1024 * 1024,
  });
  return listing.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/.exec(line);
    if (match === null || match[2]?.startsWith('Z')) return [];
    return [{ pid: Number(match[1]), started: match[3] ?? '', command: match[4] ?? '' }];
  });
}

export function runningProcess(pid: number): RunningProcess | undefined {
  return linux ? linuxProcess(pid) : listWithPs().find((each) => each.pid === pid);
}

export function isRunning(identity: ProcessIdentity): boolean {
  return runningProcess(identity.pid)?.started === identity.started;
}

export function findProcesses(matches: (command: string) => boolean): RunningProcess[] {
  const all = linux
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .flatMap((name) => linuxProcess(Number(name)) ?? [])
    : listWithPs();
  return all.filter((each) => each.pid !== process.pid && matches(each.command));
}

export function isStopped(pid: number): boolean {
  if (!linux) return false;
  const stat = readOrUndefined(`/proc/${pid}/stat`);
  return stat !== undefined && stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}
