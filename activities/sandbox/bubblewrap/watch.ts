// Limits without cgroups: what a command and all it started use together is looked at again and again, and the command
// is ended when it is too much. Between two looks it may be above.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { killGroup, type ProcessGroup } from '../group/process-group.ts';

export interface Limits {
  memoryBytes: number;
  processes: number;
}

// What doubles itself with every start gets to some hundred processes in that time. A look is over in a tenth of a
// millisecond.
const lookMs = 50;
// Each look at memory reads a file for each process.
const looksPerMemory = 5;
// bubblewrap, what it starts in the namespace, and what starts it.
const mostDeep = 5;

/** Calls `onOver` with words for the model before it ends the command. `stop` ends the watch. */
export function watch(group: ProcessGroup, limits: Limits, onOver: (why: string) => void): { stop(): void } {
  let first: number | undefined;
  let looks = 0;
  const timer = setInterval(() => {
    first ??= firstOf(group);
    const members = first === undefined ? undefined : membersIn(first);
    looks += 1;
    const why = members && problem(members, limits, looks % looksPerMemory === 0);
    if (why === undefined) return;
    clearInterval(timer);
    onOver(why);
    // With the first process of their namespace the kernel ends all in it at once, however many they are.
    if (first !== undefined && isFirst(first)) process.kill(first, 'SIGKILL');
    // What is left is found and killed by the command's own end as well.
    void killGroup(group).catch(() => {});
  }, lookMs).unref();
  return { stop: () => clearInterval(timer) };
}

/** The first process of the sandbox; undefined before there is one. Not by the table of all: a command may fill that. */
function firstOf({ pgid }: ProcessGroup): number | undefined {
  let pids = [pgid];
  for (let deep = 0; deep < mostDeep; deep += 1) {
    const found = pids.find(isFirst);
    if (found !== undefined) return found;
    pids = pids.flatMap(childrenOf);
  }
  return undefined;
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
}

/** Whether it is the first one of a namespace within ours. */
function isFirst(pid: number): boolean {
  return /^NSpid:\t\d+(\t\d+)*\t1$/m.test(read(`/proc/${pid}/status`));
}

/**
 * The folders of /proc of all processes beside it, as the sandbox itself sees them: however they hide from their group,
 * they cannot leave its namespace.
 */
function membersIn(first: number): string[] {
  const folder = `/proc/${first}/root/proc`;
  // While its namespace is being made it still sees the machine's, in which we are.
  if (existsSync(`${folder}/self`)) return [];
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => `${folder}/${name}`);
  } catch {
    // It has ended.
    return [];
  }
}

function problem(members: readonly string[], limits: Limits, isMemoryDue: boolean): string | undefined {
  if (members.length > limits.processes)
    return `it was ended at its limit of ${limits.processes} processes: start fewer at once`;
  if (!isMemoryDue) return undefined;
  const used = members.reduce((sum, member) => sum + memoryOf(member), 0);
  if (used <= limits.memoryBytes) return undefined;
  const limit = `${Math.round(limits.memoryBytes / 2 ** 20).toLocaleString('en')} MB`;
  return `it was ended at its limit of ${limit} of memory: do less at once`;
}

/** Pages that processes share count once in all; 0 for one that is gone. */
function memoryOf(member: string): number {
  const pss = /^Pss:\s+(\d+) kB/m.exec(read(`${member}/smaps_rollup`));
  return Number(pss?.[1] ?? 0) * 1024;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
