// Ends the processes of a call and sees them gone, also after the worker that started them was killed. It never
// signals a process whose identity it has not just checked: process ids are reused.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  findProcess,
  listProcesses,
  marksReader,
  pidNamespace,
  type ProcessRow,
} from '../../host/process-table.ts';

/** A process group of this machine: enough to find it again and never to hit a stranger. */
export interface ProcessGroup {
  pgid: number;
  /** Names the group's leader for good (boot, start time, mark): process ids are reused, this is not. Opaque. */
  startedTicks: string;
}

const prefix = 'PERDURE_';
const groupMark = 'PERDURE_GROUP';
const callMark = 'PERDURE_CALL';
const workerMark = 'PERDURE_WORKER';

// Killed processes are gone within milliseconds; one that is not hangs in the kernel (a dead network disk).
const goneWithinMs = 10_000;

/** What every process of a command carries in its environment, so that one which leaves its group is found too. */
export function marksFor(token: string, key: string): Record<string, string> {
  return { [groupMark]: token, [callMark]: key, [workerMark]: identityOf(process.pid) };
}

/** The group led by a process we have just started with `marksFor(token, …)`. */
export function groupOf(pid: number, token: string): ProcessGroup {
  const row = findProcess(pid);
  if (row === undefined) throw new Error(`process ${pid} ended before it was told to start`);
  return { pgid: pid, startedTicks: `${row.started}:${token}` };
}

/** Its living processes, oldest id first. */
export function processesOf(group: ProcessGroup): ProcessRow[] {
  return membersOf(group).sort((left, right) => left.pid - right.pid);
}

export function groupIsAlive(group: ProcessGroup): boolean {
  return membersOf(group).length > 0;
}

/** Kills what is left of a group, and what left the group, and returns when none of it lives. */
export async function killGroup(group: ProcessGroup): Promise<void> {
  await end(() => membersOf(group), 0);
}

/** As `killGroup`, but asks first: TERM, and KILL for what is left after `graceMs`. */
export async function endGroup(group: ProcessGroup, graceMs: number): Promise<void> {
  await end(() => membersOf(group), graceMs);
}

/** Kills whatever on this machine carries the mark of this call, whichever worker started it. */
export async function killMarked(key: string): Promise<void> {
  await end(() => markedWith(callMark, (value) => value === key), 0);
}

/** Kills every process whose worker is no longer alive on this machine. Needs no record of what was started. */
export async function killOrphans(): Promise<void> {
  await end(() => markedWith(workerMark, isDeadWorker), 0);
}

/** Names a process of this machine for good. */
export function identityOf(pid: number): string {
  return `${pidNamespace()}/${pid}/${findProcess(pid)?.started}`;
}

export function isDeadWorker(identity: string): boolean {
  const [namespace, pid, started] = identity.split('/');
  // A worker of another container on this machine: its ids mean nothing here.
  if (namespace !== pidNamespace()) return false;
  const row = findProcess(Number(pid));
  return row === undefined || row.dead || row.started !== started;
}

function membersOf(group: ProcessGroup): ProcessRow[] {
  const [boot, ticks, token] = group.startedTicks.split(':');
  const rows = listProcesses();
  const marksOf = marksReader(prefix);
  const hasToken = (row: ProcessRow): boolean => marksOf(row.pid).get(groupMark) === token;
  const leader = rows.find((row) => row.pid === group.pgid);
  const near = rows.filter((row) => row.pgid === group.pgid || row.setId === group.pgid);
  // Without its leader the number alone proves nothing: a stranger may have had it since. One mark proves the
  // group, because a number is given out again only when the whole group is gone.
  const isOurs = leader === undefined ? near.some(hasToken) : leader.started === `${boot}:${ticks}`;
  const strays = token === undefined ? [] : rows.filter((row) => !near.includes(row) && hasToken(row));
  return [...(isOurs ? near : near.filter(hasToken)), ...strays].filter(
    (row) => !row.dead && row.pid !== process.pid,
  );
}

function markedWith(mark: string, matches: (value: string) => boolean): ProcessRow[] {
  const marksOf = marksReader(prefix);
  return listProcesses().filter((row) => {
    if (row.dead || row.pid === process.pid) return false;
    const value = marksOf(row.pid).get(mark);
    return value !== undefined && matches(value);
  });
}

async function end(list: () => ProcessRow[], graceMs: number): Promise<void> {
  const startedAt = performance.now();
  let killedAt = Number.POSITIVE_INFINITY;
  let known: ProcessRow[] = [];
  let asked = new Set<string>();
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    // Before the look, which is then no older, wherever this process stands still.
    const now = performance.now();
    const found = list();
    // A dying process shows no marks any more, and is not gone yet.
    const dying = known.filter((row) => isThere(row) && !found.some(({ pid }) => pid === row.pid));
    const left = [...found, ...dying];
    if (left.length === 0) return;
    known = left;
    if (now - killedAt > goneWithinMs) {
      throw new Error(`processes ${left.map((row) => row.pid).join(', ')} could not be killed`);
    }
    const isAsking = now - startedAt < graceMs;
    // TERM once each: a program that cleans up must not be interrupted again while it does, nor what it starts for that.
    const cleaning = new Set(
      left.filter((row) => asked.has(`${row.pid}/${row.started}`)).map(({ pid }) => pid),
    );
    const targets = isAsking
      ? left.filter(({ pid, parent }) => !cleaning.has(pid) && !cleaning.has(parent))
      : left;
    for (const row of targets) signal(row.pid, isAsking ? 'SIGTERM' : 'SIGKILL');
    if (!isAsking) killedAt = Math.min(killedAt, performance.now());
    asked = new Set(left.map((row) => `${row.pid}/${row.started}`));
    await sleep(pauseMs);
  }
}

/** Whether this very process still lives. */
export function isThere({ pid, started }: ProcessRow): boolean {
  const row = findProcess(pid);
  return row !== undefined && !row.dead && row.started === started;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It ended by itself between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
