// The files of an embedded Postgres: password and cluster, made once and never half made.
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openersOf } from '../../../activities/host/open-files.ts';
import { type KernelLock, lockWithin } from '../../kernel-lock.ts';
import { runningProcesses } from '../../process-table.ts';
import { stopProcess } from '../process/stop-process.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { PostgresUser } from './postgres-user.ts';

export const superuser = 'perdure';

export interface PostgresCluster {
  dataFolder: string;
  password: string;
  /** Held by whatever works with the files: the server, and before it the program that makes them. */
  lockFile: string;
}

function keepPassword(folder: string): string {
  const file = path.join(folder, 'password');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  // 24 random bytes cannot be guessed, and in hex they need no quoting in a URL.
  const password = randomBytes(24).toString('hex');
  writeFileSync(`${file}.new`, `${password}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return password;
}

// Making the files takes two seconds at most on a quiet machine; `lockFiles` ends a maker it sees.
const lockWaitMs = 30_000;

/** Alone with the files: what a killed start left at work on them is ended. */
async function lockFiles(file: string): Promise<KernelLock> {
  const left = runningProcesses(openersOf([file]));
  await Promise.all(left.map((each) => stopProcess(each, [])));
  return lockWithin(lockWaitMs, file, 'The Postgres server');
}

function initialise(
  binaries: PostgresBinaries,
  folder: string,
  password: string,
  lock: KernelLock,
  user?: PostgresUser,
): void {
  // initdb puts the path of the server program into a shell's double quotes unescaped.
  if (/["$`\\]/.test(binaries.initdb)) {
    throw new Error(
      `Postgres cannot make its files from ${binaries.initdb}: move the checkout to a folder without ", $, \` and \\ in its path, or set DATABASE_URL.`,
    );
  }
  const fresh = path.join(folder, 'data.new');
  // What a killed first start left is of no use: the cluster counts once it has its name.
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  // A file, because every user of the machine can read a command line.
  const passwordFile = path.join(folder, 'password.init');
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user !== undefined) {
    chownSync(fresh, user.uid, user.gid);
    chownSync(passwordFile, user.uid, user.gid);
  }
  try {
    const initdb = spawnSync(
      binaries.initdb,
      [
        ...['--pgdata', fresh, '--username', superuser, '--auth', 'scram-sha-256', '--pwfile', passwordFile],
        // Text sorts by code point and the same on every machine, whatever its locale.
        ...[
          '--encoding',
          'UTF8',
          '--locale',
          'C',
          '--locale-provider',
          'builtin',
          '--builtin-locale',
          'C.UTF-8',
        ],
      ],
      {
        encoding: 'utf8',
        cwd: '/',
        // It outlives a killed supervisor, and keeps the next one away as long as it does.
        stdio: ['ignore', 'pipe', 'pipe', lock.fd],
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
        ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
      },
    );
    if (initdb.status !== 0) {
      throw new Error(
        `Postgres could not make its files in ${folder}: ${initdb.error?.message ?? initdb.stderr.trim()}`,
      );
    }
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(fresh, path.join(folder, 'data'));
}

/** `major` is the version that the binaries write; files of another one are refused, never touched. */
export async function prepareCluster(
  binaries: PostgresBinaries,
  folder: string,
  major: string,
  user: PostgresUser | undefined,
): Promise<PostgresCluster> {
  const dataFolder = path.join(folder, 'data');
  const lockFile = path.join(folder, 'server.lock');
  if (!existsSync(dataFolder)) {
    using lock = await lockFiles(lockFile);
    // Another start may have made them while this one waited.
    if (!existsSync(dataFolder)) initialise(binaries, folder, keepPassword(folder), lock, user);
  }
  const password = keepPassword(folder);
  const written = readFileSync(path.join(dataFolder, 'PG_VERSION'), 'utf8').trim();
  if (written !== major) {
    throw new Error(
      `${dataFolder} was written by Postgres ${written} and this is Postgres ${major}: use the version of Perdure that wrote it, or set PERDURE_DATA to another folder.`,
    );
  }
  return { dataFolder, password, lockFile };
}
