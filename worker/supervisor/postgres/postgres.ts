// The embedded Postgres: made, started, taken over after a crash, stopped. Loopback only, with a password.
// Stands alone: tests start one with nothing but a folder.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openersOf } from '../../../activities/host/open-files.ts';
import { lockWithin } from '../../kernel-lock.ts';
import type { DetachedProcess } from '../process/detached-process.ts';
import { adoptProcess, spawnDetached } from '../process/detached-process.ts';
import { endOfLog } from '../process/log-tail.ts';
import type { WantedPort } from '../ports.ts';
import { choosePort } from '../ports.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import type { PostgresCluster } from './postgres-cluster.ts';
import { prepareCluster, superuser } from './postgres-cluster.ts';
import type { PostgresUser } from './postgres-user.ts';
import { accessProblem, letPass, postgresUser } from './postgres-user.ts';
import {
  findProcesses,
  isRunning,
  isStopped,
  type RunningProcess,
  runningProcesses,
} from '../../process-table.ts';
import { stopProcess } from '../process/stop-process.ts';

export interface PostgresInput extends WantedPort {
  /** Holds everything of this server; made when missing. A server taken over in it keeps its own port. */
  folder: string;
  logFile: string;
}

export interface PostgresServer extends DetachedProcess {
  /** With the password: for clients, never for logs. */
  url: string;
  port: number;
  takenOver: boolean;
  /** Ends it in order; its connections are cut and their transactions rolled back. May be called twice. */
  stop(): Promise<void>;
}

const database = 'perdure';
// The children of a killed server hold its lock, as they do its shared memory, until they notice.
const lockWaitMs = 10_000;

// Everything that makes one server differ from another stands on its command line, so that a survivor with other
// settings or of another version is recognised by it.
const settings = {
  listen_addresses: '127.0.0.1',
  // Sockets have a path limit of 107 bytes that a deep data folder exceeds, and no client needs them.
  unix_socket_directories: '',
  fsync: 'on',
  synchronous_commit: 'on',
  // Enough for the API's and the worker's pools twice over, so that a successor never waits for a dead one's.
  max_connections: '100',
  // A quarter of the smallest machine that runs the rest too.
  shared_buffers: '128MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // All statements are short; compiling them costs more than running them.
  jit: 'off',
  // After a kill the whole file system is told once to write instead of each of a thousand files: most of a recovery
  // otherwise. Only Linux can.
  ...(process.platform === 'linux' ? { recovery_init_sync_method: 'syncfs' } : {}),
};

function serverArgs(dataFolder: string): string[] {
  return [
    '-D',
    dataFolder,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

function connectionUrl(password: string, port: number, name: string): string {
  return `postgres://${superuser}:${password}@127.0.0.1:${port}/${name}`;
}

async function ask<T>(url: string, act: (client: pg.Client) => Promise<T>): Promise<T> {
  // A frozen server accepts and never answers; two seconds tell it from a slow one.
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 2_000,
    query_timeout: 10_000,
  });
  // The server may end while we ask; the question's own rejection says so.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await act(client);
  } finally {
    await client.end();
  }
}

async function createDatabase(url: string): Promise<void> {
  await ask(url, async (client) => {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${database}`);
  });
}

/** Undefined when it answered, else what it last said. */
async function readinessProblem(
  server: DetachedProcess,
  url: string,
  waitMs: number,
): Promise<string | undefined> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    try {
      await createDatabase(url);
      return undefined;
    } catch (error) {
      if (!isRunning(server)) return 'it ended at once';
      if (Date.now() >= deadline) return (error as Error).message;
      // A start takes about 60 ms, of which this costs little; one that recovers logs each question.
      await sleep((error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 15 : 100);
    }
  }
}

function toServer(
  server: DetachedProcess,
  place: { port: number; password: string; takenOver: boolean },
): PostgresServer {
  return {
    pid: server.pid,
    started: server.started,
    exited: server.exited,
    url: connectionUrl(place.password, place.port, database),
    port: place.port,
    takenOver: place.takenOver,
    stop: () => stopPostgres(server),
  };
}

async function stopPostgres(server: { pid: number; started: string }): Promise<void> {
  await stopProcess(server, [
    // Fast shutdown writes a checkpoint, which takes as long as the disk does.
    { signal: 'SIGINT', waitMs: 20_000 },
    // Immediate shutdown leaves recovery to the next start and loses nothing.
    { signal: 'SIGQUIT', waitMs: 5_000 },
  ]);
}

async function serverVersion(url: string): Promise<string> {
  return ask(
    url,
    async (client) => (await client.query('show server_version')).rows[0].server_version as string,
  );
}

/** By name, also those of another user; and by what they have open, whatever the folder was called then. */
function findSurvivors({ dataFolder, lockFile }: PostgresCluster): RunningProcess[] {
  const named = findProcesses((command) => command.includes(` -D ${dataFolder} `));
  // Its own children hold the lock too, without its arguments, and end with it.
  const opened = runningProcesses(openersOf([lockFile])).filter(({ command }) => command.includes(' -D '));
  return [...new Map([...opened, ...named].map((each) => [each.pid, each])).values()];
}

async function takeOver(
  binaries: PostgresBinaries,
  version: string,
  cluster: PostgresCluster,
): Promise<PostgresServer | undefined> {
  const wanted = [binaries.postgres, ...serverArgs(cluster.dataFolder)].join(' ');
  for (const survivor of findSurvivors(cluster)) {
    const port = Number(/ -p (\d+)$/.exec(survivor.command)?.[1] ?? 0);
    // What is frozen does not answer, and the start need not wait to learn it.
    const usable = !isStopped(survivor.pid) && survivor.command === `${wanted} -p ${port}`;
    const server = adoptProcess(survivor);
    const url = connectionUrl(cluster.password, port, 'postgres');
    // Long enough for a survivor that still recovers from a crash of its own.
    const healthy = usable && (await readinessProblem(server, url, 10_000)) === undefined;
    // An upgrade replaces the programs under the same path, and the survivor still runs the old ones.
    if (healthy && (await serverVersion(url)) === version) {
      return toServer(server, { port, password: cluster.password, takenOver: true });
    }
    await stopPostgres(survivor);
  }
  return undefined;
}

async function launch(
  input: PostgresInput,
  binaries: PostgresBinaries,
  cluster: PostgresCluster,
  user: PostgresUser | undefined,
): Promise<PostgresServer> {
  let problem = '';
  // The children of a killed server hold its shared memory until they notice, which takes moments, and until then
  // a new one ends at once. What is really wrong is still wrong after these tries.
  for (const pauseMs of [0, 100, 400, 1_500, 3_000]) {
    await sleep(pauseMs);
    using lock = await lockWithin(lockWaitMs, cluster.lockFile, 'The Postgres server');
    const port = await choosePort(input, 'Postgres', 'PERDURE_POSTGRES_PORT');
    const server = await spawnDetached({
      executable: binaries.postgres,
      lock,
      args: [...serverArgs(cluster.dataFolder), '-p', String(port)],
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      cwd: '/',
      logFile: input.logFile,
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    });
    // Recovery after a crash replays at most a gigabyte of log, well within this on any disk.
    const last = await readinessProblem(server, connectionUrl(cluster.password, port, 'postgres'), 120_000);
    if (last === undefined) return toServer(server, { port, password: cluster.password, takenOver: false });
    problem = last;
    await stopPostgres(server);
  }
  throw new Error(`Postgres did not start: ${problem}. ${endOfLog(input.logFile)}`);
}

function binariesVersion(binaries: PostgresBinaries): string {
  const { stdout } = spawnSync(binaries.postgres, ['--version'], { encoding: 'utf8' });
  return stdout.trim().split(' ').at(-1) ?? stdout;
}

/** Resolves when the database answers. A healthy server of the same version on this folder is taken over. */
export async function startPostgres(input: PostgresInput): Promise<PostgresServer> {
  const folder = path.resolve(input.folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const binaries = postgresBinaries();
  const user = postgresUser();
  letPass(path.dirname(folder), user);
  letPass(folder, user);
  const problem = accessProblem(binaries, folder, user);
  if (problem !== undefined) throw new Error(problem);
  const version = binariesVersion(binaries);
  const cluster = await prepareCluster(binaries, folder, version.split('.')[0] ?? version, user);
  return (await takeOver(binaries, version, cluster)) ?? (await launch(input, binaries, cluster, user));
}
