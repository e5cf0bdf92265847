// The whole product as a person starts it: `perdure serve` on a data folder of its own and free ports. Faults are
// sent to its processes by their recorded ids; at the end nothing of it is left, however it was treated.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from '../../api/client/client.ts';
import type { ProcessView } from '../../workflows/contracts/system.ts';
import { withDescendants } from '../bench/harness/cpu.ts';
import { findProcesses, isRunning } from '../../worker/process-table.ts';
import { portSettings } from './ports.ts';
import { testSettings } from './settings-of-tests.ts';

export type ProcessName = ProcessView['name'];

export interface Platform {
  /** The data folder. */
  data: string;
  /** The same through every restart. */
  url: string;
  databaseUrl: string;
  temporalAddress: string;
  /** The token of the first start. */
  readonly token: string;
  client: Client;
  /** What runs according to the supervisor, with pids that were seen running. */
  processes(): ProcessView[];
  pid(name: ProcessName): number | undefined;
  /** Sends the signal to the process that has this name now; false when there is none. */
  kill(name: ProcessName, signal?: NodeJS.Signals): boolean;
  /** Every process of the platform at once, the supervisor first, as when a machine loses its memory of them. */
  killEverything(): void;
  /** Starts `perdure serve` again on the same folder and waits until it is ready. */
  serve(): Promise<void>;
  /** Resolves when the API, its two servers and a worker answer. */
  ready(): Promise<void>;
  /** The last lines of a process's log, for a test that has to say why. */
  log(name: ProcessName): string;
  /** As a person stops it: SIGTERM to the supervisor. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Ends whatever is left and removes the folder. */
  remove(): Promise<void>;
}

/**
 * Prices of the model servers of tests and benchmarks: without any, the ceiling would use up a day's allowance with a
 * few hundred calls.
 */
export const cheap = JSON.stringify({ 'compatible/*': { input: 1000, output: 4000 } });

export interface PlatformInput {
  environment?: Record<string, string>;
  /** Where the data folder is made; the system's folder for temporary files unless said otherwise. */
  parent?: string;
  /** The data folder's name, in a folder of its own; a random one by default. */
  name?: string;
  /** Every other start reaches the data folder through a link. */
  throughLink?: boolean;
  /** Where the workflow bundle is, or is to be, kept for more than this platform; in its own folder by default. */
  cache?: string;
}

interface ProcessesFile {
  processes: (ProcessView & { started: string | null })[];
}

// What the bootstrap goes on with once everything is installed, and how; a test must not install anything.
const program = path.resolve(import.meta.dirname, '..', '..', 'worker', 'main.ts');
export const supervisor = [process.execPath, '--max-semi-space-size=1', program, 'serve'];
export const bootstrapped = {
  NODE_COMPILE_CACHE: path.resolve(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'compiled'),
  MALLOC_ARENA_MAX: '1',
  ...testSettings,
};
// A first start makes a database cluster and bundles the workflows; this only ends a hang.
const readyMs = 90_000;
// Ten a second.
const goneAfterLooks = 50;
const names = ['supervisor', 'api', 'worker', 'postgres', 'temporal'] as const;

export async function startPlatform(input: PlatformInput = {}): Promise<Platform> {
  const outer = await mkdtemp(path.join(await realpath(input.parent ?? tmpdir()), 'perdure-platform-'));
  const data = input.name === undefined ? outer : path.join(outer, input.name);
  const names = [data];
  if (data !== outer) {
    // Under root the database server runs as another user, who must be able to walk through.
    await chmod(outer, 0o755);
    await mkdir(data, { mode: 0o700 });
    const link = path.join(outer, 'link');
    await symlink(data, link);
    if (input.throughLink === true) names.unshift(link);
  }
  if (input.cache !== undefined) await symlink(input.cache, path.join(data, 'cache'));
  const ports = await portSettings();
  const environment = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: process.env['HOME'] ?? '/',
    ...bootstrapped,
    PERDURE_PRICES: cheap,
    ...ports,
    ...input.environment,
  };
  const url = `http://127.0.0.1:${ports.PERDURE_PORT}`;
  const tokenFile = path.join(data, 'token');

  const platform: Platform = {
    data,
    url,
    temporalAddress: `127.0.0.1:${ports.PERDURE_TEMPORAL_PORT}`,
    get databaseUrl() {
      const password = readFileSync(path.join(data, 'postgres', 'password'), 'utf8').trim();
      return `postgres://perdure:${password}@127.0.0.1:${ports.PERDURE_POSTGRES_PORT}/perdure`;
    },
    get token() {
      return readFileSync(tokenFile, 'utf8').trim();
    },
    get client() {
      return createClient({ url, token: platform.token });
    },
    processes: () => readProcesses(data),
    pid: (name) => readProcesses(data).find((each) => each.name === name)?.pid ?? undefined,
    kill(name, signal = 'SIGKILL') {
      const pid = platform.pid(name);
      if (pid === undefined) return false;
      // A server is frozen only when all its processes are; a kill takes the first one, as it does in real life.
      const freezes = signal === 'SIGSTOP' || signal === 'SIGCONT';
      const all = freezes && name === 'postgres' ? withDescendants([pid]) : [pid];
      return all.map((each) => send(each, signal)).includes(true);
    },
    killEverything: () => killEverything(data),
    async serve() {
      const said = path.join(data, 'serve.out');
      const [name = data] = names;
      spawnUnowned([...supervisor, '--data', name], environment, said);
      names.reverse();
      await platform.ready().catch(async (error: Error) => {
        throw new Error(`${error.message}\nIt said:\n${await readFile(said, 'utf8').catch(() => 'nothing')}`);
      });
    },
    ready: () => untilReady(platform, outer),
    log(name) {
      const text = readFileSync(path.join(data, 'logs', `${name}.log`), 'utf8');
      return text.split('\n').slice(-40).join('\n');
    },
    async stop() {
      const pid = platform.pid('supervisor');
      if (pid) send(pid, 'SIGTERM');
      // Draining the API and the worker, and an orderly end of both servers.
      await until(
        () => leftOf(outer).length === 0,
        readyMs,
        () => `still running:\n${named(outer)}`,
      );
    },
    remove: () => removePlatform(data, outer),
  };
  try {
    await platform.serve();
  } catch (error) {
    await platform.remove();
    throw error;
  }
  return platform;
}

function killEverything(data: string): void {
  const pids = new Map(readProcesses(data).map(({ name, pid }) => [name, pid]));
  for (const name of names) {
    const pid = pids.get(name);
    if (pid) send(pid, 'SIGKILL');
  }
}

export async function removePlatform(data: string, outer: string): Promise<void> {
  killEverything(data);
  let looksWithout = 0;
  const gone = (): boolean => {
    // A supervisor that was not listed yet may have started something anew. What it was just starting has no command line
    // for a moment.
    for (const { pid } of leftOf(outer)) send(pid, 'SIGKILL');
    looksWithout = leftOf(outer).length === 0 ? looksWithout + 1 : 0;
    return looksWithout > 1;
  };
  await until(gone, 30_000, () => `These do not end:\n${named(outer)}`);
  await rm(outer, { recursive: true, force: true });
}

/** Starts a process that is no child of this one, as from a terminal that has been closed since. */
export function spawnUnowned(command: string[], environment: Record<string, string>, logFile: string): void {
  const log = openSync(logFile, 'a');
  const shell = spawn('/bin/sh', ['-c', '"$@" &', 'sh', ...command], {
    env: environment,
    detached: true,
    stdio: ['ignore', log, log],
  });
  shell.unref();
  closeSync(log);
}

export function readProcesses(data: string): ProcessView[] {
  let text: string;
  try {
    text = readFileSync(path.join(data, 'processes.json'), 'utf8');
  } catch (error) {
    // The file is missing early in the first start, and after an orderly stop.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const { processes } = JSON.parse(text) as ProcessesFile;
  return processes.filter(
    ({ pid, started }) => pid !== null && started !== null && isRunning({ pid, started }),
  );
}

/** Every process of the platform in this folder: its random name is on no other process's command line. */
function leftOf(outer: string): { pid: number; command: string }[] {
  return findProcesses((command) => command.includes(outer));
}

function named(outer: string): string {
  return leftOf(outer)
    .map(({ pid, command }) => `${pid} ${command}`)
    .join('\n');
}

export function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    // It has ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}

async function untilReady(platform: Platform, outer: string): Promise<void> {
  const answers = async (): Promise<boolean> => {
    if (platform.pid('supervisor') === undefined) return false;
    try {
      return (await platform.client.ready()).status === 'ready';
    } catch {
      // Not listening, or no token yet.
      return false;
    }
  };
  let seen = false;
  let looksWithout = 0;
  const answersOrIsGone = async (): Promise<boolean> => {
    const serves = leftOf(outer).some(({ command }) => command.includes(' serve --data '));
    looksWithout = serves ? 0 : looksWithout + 1;
    // Between the shell that starts it and its own beginning it has no command line.
    if (seen && looksWithout > goneAfterLooks)
      throw new Error(`The platform in ${platform.data} ended instead of starting.`);
    seen ||= serves;
    return answers();
  };
  await until(answersOrIsGone, readyMs, () => `The platform in ${platform.data} is not ready.`, 100);
}

/** Looks again until it is so; after the time it throws with the sentence. The time only ends a hang. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  withinMs: number,
  problem: () => string | Promise<string>,
  everyMs = 20,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(await problem());
    await sleep(everyMs);
  }
}
