// Which process is which: a pid together with its start time, so that a reused pid never passes for the old process.
// The kernel's table is the truth; what was written to a file before a crash may be missing or stale.
import { commandOf, findProcess, listProcesses, type ProcessRow } from '../activities/host/process-table.ts';

export interface ProcessIdentity {
  pid: number;
  /** Boot and kernel start time on Linux, the printed start time elsewhere; only ever compared for equality. */
  started: string;
}

export interface RunningProcess extends ProcessIdentity {
  /** The command line, arguments joined by one space. */
  command: string;
}

export function runningProcess(pid: number): RunningProcess | undefined {
  const row = findProcess(pid);
  return row === undefined || row.dead ? undefined : toRunning(row);
}

/** Undefined when that has ended. */
export function parentOf(pid: number): RunningProcess | undefined {
  const row = findProcess(pid);
  return row && runningProcess(row.parent);
}

export function isRunning({ pid, started }: ProcessIdentity): boolean {
  const row = findProcess(pid);
  return row !== undefined && !row.dead && row.started === started;
}

export function findProcesses(matches: (command: string) => boolean): RunningProcess[] {
  return listProcesses()
    .filter((row) => !row.dead && row.pid !== process.pid)
    .map(toRunning)
    .filter((running) => matches(running.command));
}

/** Of these ids, what still runs. */
export function runningProcesses(pids: readonly number[]): RunningProcess[] {
  return pids.filter((pid) => pid !== process.pid).flatMap((pid) => runningProcess(pid) ?? []);
}

export function isStopped(pid: number): boolean {
  return findProcess(pid)?.stopped ?? false;
}

function toRunning({ pid, started }: ProcessRow): RunningProcess {
  return { pid, started, command: commandOf(pid) };
}
