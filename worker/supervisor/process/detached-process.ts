// Starts a child detached, with its output in a log file: it outlives a killed supervisor, and
// a terminal's Ctrl-C does not reach it. A pipe would kill it at its first line after the supervisor's death.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KernelLock } from '../../kernel-lock.ts';
import type { ProcessIdentity } from '../../process-table.ts';
import { isRunning, runningProcess } from '../../process-table.ts';

export interface DetachedInput {
  executable: string;
  args: string[];
  /** The whole environment: nothing is inherited, so nothing secret leaks into a server that needs none. */
  env: Record<string, string>;
  cwd: string;
  logFile: string;
  uid?: number;
  gid?: number;
  /** What ps and the process table show as its name; the executable unless said otherwise. */
  argv0?: string;
  /** A lock that the child holds too, from its first moment to its last. */
  lock?: KernelLock;
}

export interface DetachedProcess extends ProcessIdentity {
  /** Resolves when the process is gone; never rejects. */
  exited: Promise<void>;
}

/** Opens a log for appending, so that it can be cut by its owner while several processes write to it. */
function openLog(file: string): number {
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    return openSync(file, 'a', 0o600);
  } catch {
    // A process without its log is better than none: the disk may be full, or only readable for now.
    return openSync('/dev/null', 'a');
  }
}

export async function spawnDetached(input: DetachedInput): Promise<DetachedProcess> {
  const log = openLog(input.logFile);
  try {
    const { uid, gid, argv0, lock } = input;
    const child = spawn(input.executable, input.args, {
      cwd: input.cwd,
      env: input.env,
      detached: true,
      // The lock comes as `inheritedFd`.
      stdio: ['ignore', log, log, ...(lock === undefined ? [] : [lock.fd])],
      ...(argv0 === undefined ? {} : { argv0 }),
      ...(uid === undefined ? {} : { uid, gid }),
    });
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid as number;
    return { pid, started: runningProcess(pid)?.started ?? 'ended', exited };
  } finally {
    closeSync(log);
  }
}

/** Where the table cannot be read, as with too many open files, nothing is taken for dead. */
export function stillRuns(identity: ProcessIdentity): boolean {
  try {
    return isRunning(identity);
  } catch {
    return true;
  }
}

/** The same shape for a process that another parent started. */
export function adoptProcess(identity: ProcessIdentity): DetachedProcess {
  const watch = async (): Promise<void> => {
    // No signal tells when another's child ends; a restart half a second late is still quick.
    while (stillRuns(identity)) await sleep(500, undefined, { ref: false });
  };
  return { pid: identity.pid, started: identity.started, exited: watch() };
}
