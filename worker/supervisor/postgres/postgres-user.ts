// Postgres refuses to run as root, so under root it runs as an OS user made for that, and as ourselves otherwise.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, statSync } from 'node:fs';
import path from 'node:path';
import type { PostgresBinaries } from './postgres-binaries.ts';

export interface PostgresUser {
  uid: number;
  gid: number;
}

const userName = 'perdure-postgres';

function idOf(flag: '-u' | '-g'): number | undefined {
  const answer = spawnSync('id', [flag, userName], { encoding: 'utf8' });
  return answer.status === 0 ? Number(answer.stdout.trim()) : undefined;
}

function findUser(): PostgresUser | undefined {
  const uid = idOf('-u');
  const gid = idOf('-g');
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

function makeUser(): string {
  const useradd = spawnSync(
    'useradd',
    [
      '--system',
      '--user-group',
      '--no-create-home',
      '--home-dir',
      '/nonexistent',
      '--shell',
      '/bin/false',
      userName,
    ],
    { encoding: 'utf8' },
  );
  if (useradd.error === undefined) return useradd.stderr.trim();
  // Alpine and other busybox systems have only this one.
  const adduser = spawnSync('adduser', ['-S', '-D', '-H', '-s', '/bin/false', userName], {
    encoding: 'utf8',
  });
  return adduser.error === undefined ? adduser.stderr.trim() : 'neither useradd nor adduser is there';
}

/** The user that Postgres is to run as, or undefined for the current one. */
export function postgresUser(): PostgresUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const existing = findUser();
  if (existing !== undefined) return existing;
  const problem = makeUser();
  // Asked again whatever was said: a process that starts at the same time may have made it first.
  const made = findUser();
  if (made !== undefined) return made;
  throw new Error(
    `Postgres does not run as root, and the user ${userName} could not be made (${problem}): start as an ordinary user, or set DATABASE_URL.`,
  );
}

/** Lets the user's group through a private folder of root's, without letting it list the folder. */
export function letPass(folder: string, user: PostgresUser | undefined): void {
  if (user === undefined) return;
  const { uid, mode } = statSync(folder);
  const othersPass = (mode & 0o001) !== 0;
  if (uid !== 0 || othersPass) return;
  chownSync(folder, 0, user.gid);
  chmodSync(folder, (mode & 0o700) | 0o010);
}

/** From the root down. */
function parentsOf(folder: string): string[] {
  const parent = path.dirname(folder);
  return parent === folder ? [] : [...parentsOf(parent), parent];
}

/** Tried rather than computed: mount options and access lists count too. */
export function accessProblem(
  binaries: PostgresBinaries,
  folder: string,
  user: PostgresUser | undefined,
): string | undefined {
  const as = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  const who = user === undefined ? 'this user' : `the user ${userName}`;
  const program = spawnSync(binaries.postgres, ['--version'], { encoding: 'utf8', cwd: '/', ...as });
  if (program.error !== undefined || program.status !== 0) {
    const why = program.error === undefined ? program.stderr.trim() : program.error.message;
    const install = path.resolve(binaries.postgres, '..', '..');
    return `Postgres cannot be run by ${who} from ${install} (${why}): move the checkout to a folder that others may enter, such as /opt, or set DATABASE_URL.`;
  }
  const mayEnter = (place: string): boolean =>
    spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', place], { cwd: '/', ...as }).status === 0;
  if (mayEnter(folder)) return undefined;
  const closed = parentsOf(folder).find((parent) => !mayEnter(parent)) ?? folder;
  return `Postgres cannot enter ${closed} as ${who}, which it must to reach its files: let others enter it (chmod o+x), set PERDURE_DATA to another folder, or set DATABASE_URL.`;
}
