// CPU seconds (user and system) of processes and of the children they have already reaped, as the kernel counts.
import { readFileSync } from 'node:fs';

// USER_HZ, which Linux fixes at 100 for everything /proc shows.
const ticksPerSecond = 100;

export function cpuSecondsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

/** A process and everything below it that lives now. */
export function withDescendants(pids: readonly number[]): number[] {
  const found = new Set(pids);
  for (const pid of found) {
    for (const child of childrenOf(pid)) found.add(child);
  }
  return [...found];
}

function childrenOf(pid: number): number[] {
  const text = read(`/proc/${pid}/task/${pid}/children`);
  return text.split(' ').filter(Boolean).map(Number);
}

function cpuSeconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === '') return 0;
  // The name, in parentheses, may itself hold spaces; utime is the 14th field of all, the 12th behind the name.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks / ticksPerSecond;
}

/** Empty when the process has ended meanwhile. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
