// The data folder: what lies where in it, and that it is ours and private before anything is put there.
import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Beside these there are `supervisor.lock` (held by the kernel for the one supervisor, and says who it is), `cache/` (the
 * workflow bundle), `contents/` (large content), `backups/`, `login-key` (what logins to Temporal's Web UI are signed with),
 * `sandbox-key` (names our containers), `view/` (files of ours that sandboxes show), `work/` (runs without a project),
 * `own/` (copies of projects for runs), `trees/` (recorded projects) and `out/` (sockets of contained commands that may reach something).
 */
export interface DataFolder {
  folder: string;
  /** Its files, and in `password` the database's password. */
  postgres: string;
  temporal: string;
  /** Written by the supervisor: where everything is. The CLI, the page and the API read it; gone after an orderly stop. */
  processesFile: string;
  /** Written by the supervisor: the Temporal cluster and namespace that have the runs. */
  temporalIdentityFile: string;
  /** Written by the supervisor: where the folder lay at its last start. */
  locationFile: string;
  /** Written by the API at its first start, for the owner of the folder alone. */
  tokenFile: string;
  /** Held by the supervisor's API and workers as long as one of them lives. */
  rolesLockFile: string;
  /** 10 MB each, with three older copies. */
  logFile(name: string): string;
  readyFile(name: string): string;
  /** Changed by the process as long as it lives; by pid, since a standby becomes the worker. */
  lifeFile(pid: number): string;
}

/** Written by an API or worker process once it can work; holds its pid, so that a predecessor's does not count. */
export function readyFile(dataFolder: string, name: string): string {
  return path.join(dataFolder, 'run', `${name}.ready`);
}

const lifeEnding = '.life';

/** Takes away the signs of life of processes that a supervisor before this one started; they have ended. */
export function removeLifeFiles(dataFolder: string): void {
  const folder = path.join(dataFolder, 'run');
  for (const name of readdirSync(folder))
    if (name.includes(lifeEnding)) rmSync(path.join(folder, name), { force: true });
}

export function treesFolder(dataFolder: string): string {
  return path.join(dataFolder, 'trees');
}

/** The name there of the git directory that has the recorded trees of a project, by its whole path. */
export function treeName(project: string): string {
  return `${createHash('sha256').update(project).digest('hex').slice(0, 32)}.git`;
}

export function treeFolder(dataFolder: string, project: string): string {
  return path.join(treesFolder(dataFolder), treeName(project));
}

/** Where a run works: in its project's directory, or on the tree that the runs of its conversation have of their own. */
export function workPlace(
  dataFolder: string,
  run: { conversation_id: string; project_path: string | null; work_tree: string },
): string | null {
  if (run.project_path === null || run.work_tree !== 'own') return run.project_path;
  const name = treeName(run.project_path).replace(/\.git$/, '');
  return path.join(ownTreesFolder(dataFolder), run.conversation_id, name);
}

/** A folder in it for each conversation. */
export function ownTreesFolder(dataFolder: string): string {
  return path.join(dataFolder, 'own');
}

export function logFolder(dataFolder: string): string {
  return path.join(dataFolder, 'logs');
}

/** What may lie on disks of their own: the servers' files are often put on another one. */
export function diskFolders(dataFolder: string): string[] {
  return [dataFolder, ...['postgres', 'temporal', 'contents'].map((name) => path.join(dataFolder, name))];
}

export function prepareDataFolder(folder: string): DataFolder {
  try {
    // Parents get the usual mode: under root the database's user must get through them.
    mkdirSync(path.dirname(folder), { recursive: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `The data folder ${folder} cannot be used (${code}): set PERDURE_DATA to a folder you may write.`,
    );
  }
  const { uid } = statSync(folder);
  const self = process.getuid?.() ?? uid;
  if (uid !== self) {
    throw new Error(
      `The data folder ${folder} belongs to the user with id ${uid} and this is ${self}: start as that user, or set PERDURE_DATA.`,
    );
  }
  for (const name of ['logs', 'run']) mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 });
  return {
    folder,
    postgres: path.join(folder, 'postgres'),
    temporal: path.join(folder, 'temporal'),
    processesFile: path.join(folder, 'processes.json'),
    temporalIdentityFile: path.join(folder, 'temporal-identity.json'),
    locationFile: path.join(folder, 'location'),
    tokenFile: path.join(folder, 'token'),
    rolesLockFile: path.join(folder, 'run', 'roles.lock'),
    logFile: (name) => path.join(logFolder(folder), `${name}.log`),
    readyFile: (name) => readyFile(folder, name),
    lifeFile: (pid) => path.join(folder, 'run', `${pid}${lifeEnding}`),
  };
}

export function backupFolder(dataFolder: string): string {
  return path.join(dataFolder, 'backups');
}
