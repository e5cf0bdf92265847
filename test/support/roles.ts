// The API and workers as single processes on the shared servers, without a supervisor: for faults that a supervisor
// would cover up, and for workers that die at a chosen point.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, inject } from 'vitest';
import { type Client, createClient } from '../../api/client/client.ts';
import type { Point } from './mortal-worker.ts';
import { cheap, until } from './platform.ts';
import { testPort } from './ports.ts';
import { createTestDatabase } from './postgres.ts';
import { createTestNamespace } from './temporal.ts';
import { testSettings } from './settings-of-tests.ts';

export interface Role {
  pid: number;
  kill(signal?: NodeJS.Signals): void;
  /** Resolves when it is gone. */
  gone: Promise<void>;
}

export interface Roles {
  url: string;
  databaseUrl: string;
  temporal: { address: string; namespace: string };
  readonly token: string;
  readonly client: Client;
  /** Its data folder; tests may put projects below it. */
  data: string;
  startApi(environment?: Record<string, string>): Promise<Role>;
  /** Resolves when it takes work. */
  startWorker(options?: WorkerOptions): Promise<Role>;
  /** Kills whatever still runs; for between two tests of a file. */
  killAll(): Promise<void>;
  log(): string;
}

export interface WorkerOptions {
  point?: Point;
  environment?: Record<string, string>;
  /** Another program in place of the mortal worker. */
  program?: string;
}

/** The servers the roles stand on. */
export interface Servers {
  databaseUrl: string;
  temporal: { address: string; namespace: string };
}

async function sharedServers(): Promise<Servers> {
  const [{ url }, temporal] = await Promise.all([createTestDatabase(), createTestNamespace()]);
  return { databaseUrl: url, temporal };
}

// Loading and connecting on a busy machine; this only ends a hang.
const readyMs = 120_000;
const root = path.resolve(import.meta.dirname, '..', '..');
const mortalWorker = path.join(import.meta.dirname, 'mortal-worker.ts');

/** To be called at the top of a test file: everything lives as long as the file. Shared servers unless given some. */
export async function openRoles(environment: Record<string, string>, servers?: Servers): Promise<Roles> {
  const [{ databaseUrl, temporal }, port] = await Promise.all([servers ?? sharedServers(), testPort()]);
  const data = await mkdtemp(path.join(tmpdir(), 'perdure-roles-'));
  mkdirSync(path.join(data, 'run'));
  await symlink(inject('bundles'), path.join(data, 'cache'));
  const logFile = path.join(data, 'roles.log');
  const running = new Set<ChildProcess>();
  const settings = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: process.env['HOME'] ?? '/',
    NODE_COMPILE_CACHE: path.join(root, 'node_modules', '.cache', 'compiled'),
    PERDURE_DATA: data,
    PERDURE_PORT: String(port),
    PERDURE_TEMPORAL_NAMESPACE: temporal.namespace,
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporal.address,
    PERDURE_PRICES: cheap,
    ...testSettings,
    ...environment,
  };

  async function start(
    args: string[],
    name: 'api' | 'worker',
    more: Record<string, string> = {},
  ): Promise<Role> {
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...settings, ...more },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    running.add(child);
    const gone = once(child, 'exit').then(() => void running.delete(child));
    const isReady = (): boolean => {
      if (child.exitCode !== null)
        throw new Error(`${name} ended at once:\n${readFileSync(logFile, 'utf8')}`);
      return readReady(data, name) === child.pid;
    };
    await until(isReady, readyMs, () => `${name} is not ready:\n${readFileSync(logFile, 'utf8')}`);
    return { pid: child.pid as number, kill: (signal = 'SIGKILL') => void child.kill(signal), gone };
  }

  async function killAll(): Promise<void> {
    await Promise.all([...running].map((child) => (child.kill('SIGKILL'), once(child, 'exit'))));
  }

  afterAll(async () => {
    await killAll();
    await rm(data, { recursive: true, force: true });
  });

  const url = `http://127.0.0.1:${port}`;
  const token = (): string => readFileSync(path.join(data, 'token'), 'utf8').trim();
  return {
    url,
    databaseUrl,
    temporal,
    data,
    get token() {
      return token();
    },
    get client() {
      return createClient({ url, token: token() });
    },
    startApi: (more) => start([path.join(root, 'worker', 'main.ts'), 'api'], 'api', more),
    startWorker: ({ point = 'never', environment: more, program = mortalWorker } = {}) =>
      start([program, point], 'worker', more),
    killAll,
    log: () => readFileSync(logFile, 'utf8'),
  };
}

function readReady(data: string, name: string): number | undefined {
  try {
    return Number(readFileSync(path.join(data, 'run', `${name}.ready`), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
