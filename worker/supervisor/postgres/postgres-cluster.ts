// The files of an embedded Postgres: password and cluster, made once and never half made.
import { randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { PostgresUser } from './postgres-user.ts';

export const superuser = 'perdure';

export interface PostgresCluster {
  dataFolder: string;
  password: string;
}

function keepPassword(folder: string): string {
  const file = path.join(folder, 'password');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  // 24 random bytes: nobody guesses them, and in hex they need no quoting in a URL.
  const password = randomBytes(24).toString('hex');
  writeFileSync(`${file}.new`, `${password}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return password;
}

function initialise(binaries: PostgresBinaries, folder: string, password: string, user?: PostgresUser): void {
  const fresh = path.join(folder, 'data.new');
  // What a killed first start left is of no use: the cluster counts once it has its name.
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  // A file, because a command line can be read by everyone on the machine.
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
export function prepareCluster(
  binaries: PostgresBinaries,
  folder: string,
  major: string,
  user: PostgresUser | undefined,
): PostgresCluster {
  const dataFolder = path.join(folder, 'data');
  const password = keepPassword(folder);
  if (!existsSync(dataFolder)) initialise(binaries, folder, password, user);
  const written = readFileSync(path.join(dataFolder, 'PG_VERSION'), 'utf8').trim();
  if (written !== major) {
    throw new Error(
      `${dataFolder} was written by Postgres ${written} and this is Postgres ${major}: use the version of Perdure that wrote it, or set PERDURE_DATA to another folder.`,
    );
  }
  return { dataFolder, password };
}
