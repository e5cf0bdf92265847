// Limits without cgroups: what a command and all it started use together is looked at again and again, and the command
// is ended when it is too much. Between two looks it may be above.
import { readFileSync } from 'node:fs';
import { killGroup, type ProcessGroup, processesOf } from '../group/process-group.ts';

export interface Limits {
  memoryBytes: number;
  processes: number;
}

// Each look reads the table of processes, in a few milliseconds.
const lookMs = 250;

/** Calls `onOver` with words for the model before it ends the command. `stop` ends the watch. */
export function watch(group: ProcessGroup, limits: Limits, onOver: (why: string) => void): { stop(): void } {
  const timer = setInterval(() => {
    const members = processesOf(group);
    const why = problem(members, limits);
    if (why === undefined) return;
    clearInterval(timer);
    onOver(why);
    // What is left is found and killed by the command's own end as well.
    void killGroup(group).catch(() => {});
  }, lookMs).unref();
  return { stop: () => clearInterval(timer) };
}

function problem(members: readonly { pid: number }[], limits: Limits): string | undefined {
  if (members.length > limits.processes)
    return `it was ended at its limit of ${limits.processes} processes: start fewer at once`;
  const used = members.reduce((sum, { pid }) => sum + memoryOf(pid), 0);
  if (used <= limits.memoryBytes) return undefined;
  const limit = `${Math.round(limits.memoryBytes / 2 ** 20).toLocaleString('en')} MB`;
  return `it was ended at its limit of ${limit} of memory: do less at once`;
}

/** Pages that processes share count once in all; 0 for one that is gone. */
function memoryOf(pid: number): number {
  try {
    const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
    return Number(pss?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
