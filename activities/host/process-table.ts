// What the operating system tells about processes: who is in which group, since when, and with which marks in its
// environment. Linux reads /proc. Elsewhere `ps` stands in, which shows no marks, so only groups are found there.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessRow {
  pid: number;
  /** The process that started it; once that has ended, the one that takes in orphans. */
  parent: number;
  pgid: number;
  /** The set of groups it belongs to (setsid): a program may leave its group, seldom its set. */
  setId: number;
  /** A dead process that its parent has not reaped: it holds its id but cannot act. */
  dead: boolean;
  /** Halted by SIGSTOP: it lives and does nothing. */
  stopped: boolean;
  /** Boot and start time: together with the pid this names a process for good. */
  started: string;
}

const isLinux = process.platform === 'linux';
// Ticks count from the boot, so the same pid and ticks can come back after a reboot.
const boot = isLinux ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8) : 'boot';

export function listProcesses(): ProcessRow[] {
  if (!isLinux) return listByPs();
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => findProcess(Number(pid))).filter((row) => row !== undefined);
}

export function findProcess(pid: number): ProcessRow | undefined {
  if (!isLinux) return listByPs().find((row) => row.pid === pid);
  const fields = statOf(pid);
  if (fields === undefined) return undefined;
  const [state, parent, pgid, setId] = fields;
  return {
    pid,
    parent: Number(parent),
    pgid: Number(pgid),
    setId: Number(setId),
    dead: state === 'Z' || state === 'X',
    stopped: state === 'T',
    started: `${boot}:${fields[19]}`,
  };
}

/** What `proc(5)` lists of it, from its state on. */
function statOf(pid: number): string[] | undefined {
  const stat = readProc(pid, 'stat');
  // The name, in parentheses, may itself hold spaces and parentheses.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Its arguments joined by one space; empty when they cannot be read. */
export function commandOf(pid: number): string {
  // Only the end of the last argument goes: a folder's name may itself end in a space.
  if (isLinux) return (readProc(pid, 'cmdline') ?? '').replace(/\0$/, '').split('\0').join(' ');
  return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim();
}

// A process that becomes another program has no environment for some microseconds, and longer only where it waits for the
// processor. Waiting holds up all of this process, so that one reader does it for so many milliseconds at most.
const mostWaits = 200;
const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Reads the marks (`NAME=value` with the given prefix) that processes were started with; none when they cannot be read. A
 * reader is for one look at all processes.
 */
export function marksReader(prefix: string): (pid: number) => Map<string, string> {
  let waits = 0;
  return (pid) => {
    if (!isLinux) return new Map();
    let environment = readProc(pid, 'environ');
    // Twice: it may have come between the look at it and that at the process.
    for (let without = 0; environment === '' && without < 2 && waits < mostWaits; ) {
      if (isChanging(pid)) {
        waits += 1;
        Atomics.wait(pause, 0, 0, 1);
      } else without += 1;
      environment = readProc(pid, 'environ');
    }
    return toMarks(environment ?? '', prefix);
  };
}

function toMarks(environment: string, prefix: string): Map<string, string> {
  const marks = environment.split('\0').filter((entry) => entry.startsWith(prefix) && entry.includes('='));
  return new Map(
    marks.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

// Flags of the kernel for a process, PF_EXITING and PF_KTHREAD in its source.
const [isExiting, isKernelThread] = [0x4, 0x200000];

/** Whether a process is on its way to another program: its environment lies nowhere in memory. */
function isChanging(pid: number): boolean {
  const fields = statOf(pid);
  return (
    fields !== undefined && fields[48] === '0' && (Number(fields[6]) & (isExiting | isKernelThread)) === 0
  );
}

/** Names the set of process ids we see: a container on this machine has another one, with the same numbers. */
export function pidNamespace(): string {
  return isLinux ? readlinkSync('/proc/self/ns/pid') : 'host';
}

/** The machine as far as process ids go: containers that share a host's name see other processes. */
export function thisHost(): string {
  return `${hostname()} ${pidNamespace()}`;
}

/** Undefined when the process is gone, or belongs to a user whose processes we may not look at. */
function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(code)) return undefined;
    throw error;
  }
}

function listByPs(): ProcessRow[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat=,lstart='], {
    encoding: 'utf8',
    env: { LC_ALL: 'C' },
  });
  return table.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (match === null) return [];
    const [, pid, parent, pgid, state, started] = match;
    // `ps` shows no set of groups that equals the leader's pid; the group stands for it.
    const row = { pid: Number(pid), parent: Number(parent), pgid: Number(pgid), setId: Number(pgid) };
    return [
      {
        ...row,
        dead: state?.startsWith('Z') ?? false,
        stopped: state?.startsWith('T') ?? false,
        started: `${boot}:${started?.replaceAll(':', '.')}`,
      },
    ];
  });
}
