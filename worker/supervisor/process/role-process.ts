// The API and the worker as children: started with their configuration in the environment, ready when they say so.
import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Chores } from '../../chores.ts';
import { type DataFolder, removeLifeFiles } from '../../data-folder.ts';
import { spawnDetached, stillRuns } from './detached-process.ts';
import type { RunningPart } from './keep-running.ts';
import { openersOf } from '../../../activities/host/open-files.ts';
import { servingHeap, servingMemory } from '../../idle-garbage.ts';
import { type KernelLock, lockWithin, shareLock } from '../../kernel-lock.ts';
import { findProcesses, parentOf, type RunningProcess, runningProcesses } from '../../process-table.ts';
import type { StopStage } from './stop-process.ts';
import { stopProcess } from './stop-process.ts';
import { watchLife } from './watch-life.ts';

export type Role = 'api' | 'worker' | 'standby';

const program = path.resolve(import.meta.dirname, '../..', 'main.ts');

// The folder on the command line is how the next supervisor recognises what this one left.
function roleArgs(role: Role, folder: string): string[] {
  return [...servingHeap, program, role, '--data', folder];
}

async function readPid(file: string): Promise<number | undefined> {
  try {
    return Number(await readFile(file, 'utf8'));
  } catch {
    // Not there yet. Whatever else keeps it from being read may pass: it is looked at again.
    return undefined;
  }
}

async function waitUntilReady(file: string, identity: { pid: number; started: string }): Promise<void> {
  // Short against the start of a process, which takes most of a second.
  while (stillRuns(identity) && (await readPid(file)) !== identity.pid) await sleep(20);
  // Dead before it was ready: it never will be.
  if (!stillRuns(identity)) await new Promise<never>(() => undefined);
}

export interface RoleInput {
  role: Role;
  data: DataFolder;
  env: Record<string, string>;
  address: string | null;
  /** How long it may take to finish what it is doing. */
  drainMs: number;
  logger: Logger;
  chores: Chores;
  /** Of all roles of this folder together; see `lockRoles`. */
  lock: KernelLock;
}

// A look a second costs nothing.
const lookMs = 1_000;
// Twenty seconds: beyond what a busy disk or a large collection of garbage holds a process up for, and before Temporal
// gives its activities away after thirty, so that its successor finds it dead instead of meeting it alive.
const mostLooks = 20;

// Half of these threads may look up names. Each endpoint with a name server that is silent takes one for as long as it is
// asked, and the servers of models must be found beside all of them.
const manyLookups = { UV_THREADPOOL_SIZE: '64' };

/** A role's process; a standby can be made the worker. */
export interface RolePart extends RunningPart {
  /** Tells a standby to begin; the same process, now as the worker. */
  promote(): RunningPart;
}

export async function startRole(input: RoleInput): Promise<RolePart> {
  const { role, data, chores } = input;
  const file = data.readyFile(role);
  // A predecessor's file holds another pid and does not count, so it may stay where it cannot be removed.
  chores.run('removing what said that a process is ready', () => rmSync(file, { force: true }));
  const child = await spawnDetached({
    executable: process.execPath,
    args: roleArgs(role, data.folder),
    env: { ...servingMemory, ...manyLookups, ...input.env },
    cwd: process.cwd(),
    lock: input.lock,
    // A standby is a worker to be: what it says belongs where people look for the worker's.
    logFile: data.logFile(role === 'standby' ? 'worker' : role),
  });
  const life = data.lifeFile(child.pid);
  const unwatch = watchLife({
    file: life,
    everyMs: lookMs,
    mostLooks,
    chores,
    onStandstill() {
      input.logger.error({ process: role, pid: child.pid }, 'a process stands still and is killed');
      stopProcess(child, []).catch((error: unknown) => {
        // Nothing ends a process that waits for a dead disk; its work is given away when its heartbeat is missed.
        input.logger.error(
          { err: error, process: role, pid: child.pid },
          'a process that stands still stays',
        );
      });
    },
  });
  void child.exited.then(() => {
    unwatch();
    chores.run('taking away a sign of life', () => rmSync(life, { force: true }));
  });
  const stages: StopStage[] = [{ signal: 'SIGTERM', waitMs: input.drainMs }];
  const part = {
    pid: child.pid,
    address: input.address,
    exited: child.exited,
    stop: () => stopProcess(child, stages),
    kill: () => stopProcess(child, []),
  };
  return {
    ...part,
    ready: waitUntilReady(file, child),
    promote() {
      process.kill(child.pid, 'SIGUSR2');
      return { ...part, ready: waitUntilReady(data.readyFile('worker'), child) };
    },
  };
}

const isSupervisor = ({ command }: RunningProcess): boolean => /\/worker\/main\.ts serve( |$)/.test(command);

/**
 * Ends the API and worker of a supervisor that died; what they were doing goes on in their successors. Throws when it
 * lives: only the files of its locks are gone.
 */
export async function stopLeftovers({ folder, rolesLockFile }: DataFolder): Promise<number> {
  const endings = (['api', 'worker', 'standby'] as const).map(
    (role) => `/worker/main.ts ${role} --data ${folder}`,
  );
  const named = findProcesses((command) => endings.some((ending) => command.endsWith(ending)));
  // By what they have open as well: the folder may have had another name when they were started.
  const opened = runningProcesses(openersOf([rolesLockFile]));
  const leftovers = [...new Map([...named, ...opened].map((each) => [each.pid, each])).values()];
  const [alive] = leftovers.flatMap((each) => [each, parentOf(each.pid) ?? []].flat()).filter(isSupervisor);
  if (alive !== undefined)
    throw new Error(
      `${folder} is held by the Perdure with pid ${alive.pid}, whose lock was removed: stop that one, or set PERDURE_DATA to another folder.`,
    );
  // Time to say goodbye, but the start waits for it, and a kill loses nothing either.
  await Promise.all(
    leftovers.map((leftover) => stopProcess(leftover, [{ signal: 'SIGTERM', waitMs: 2_000 }])),
  );
  removeLifeFiles(folder);
  return leftovers.length;
}

// Longer than the kernel needs to clear up after a process of a gigabyte.
const lockWaitMs = 5_000;

/** Shared by this supervisor and its roles from here on; throws while one of another supervisor still lives. */
export async function lockRoles({ rolesLockFile }: DataFolder): Promise<KernelLock> {
  const lock = await lockWithin(lockWaitMs, rolesLockFile, "An earlier start's API or worker");
  shareLock(lock);
  return lock;
}
