// Starts `perdure serve` as a person would, on ports and in a folder of its own, for one test at a time.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, inject } from 'vitest';
import type { ProcessView } from '../../workflows/contracts/system.ts';
import { findProcesses } from '../../worker/process-table.ts';
import { stopProcess } from '../../worker/supervisor/process/stop-process.ts';
import { portSettings } from '../support/ports.ts';

interface ProcessesFile {
  version: string;
  url: string | null;
  temporalUi: string | null;
  processes: (ProcessView & { started: string | null })[];
}

export interface Start {
  child: ChildProcess;
  out(): string;
  ended: Promise<number | null>;
}

const bootstrap = path.resolve(import.meta.dirname, '../../worker/perdure.mjs');
// A start takes three seconds on a quiet machine.
export const startMs = 60_000;

/** Of the current test. */
export let folder: string;
export let variables: Record<string, string>;
const held: Server[] = [];
const supervisors: Start[] = [];

/** Call before each test. */
export const prepareServe = (): Promise<void> => prepareServeIn('data');

/** The same with a data folder of this name. */
export async function prepareServeIn(name: string): Promise<void> {
  const outer = mkdtempSync(path.join(realpathSync(tmpdir()), 'perdure-serve-'));
  // As root the database has a user of its own, who must get through to the data folder.
  chmodSync(outer, 0o755);
  folder = path.join(outer, name);
  mkdirSync(folder, { mode: 0o700 });
  symlinkSync(inject('bundles'), path.join(folder, 'cache'));
  variables = { PERDURE_DATA: folder, ...(await portSettings()) };
}

/** Call after each test: ends whatever a failed one left. */
export async function cleanUpServe(): Promise<void> {
  for (const server of held.splice(0)) server.close();
  // Whatever a failed test left: the supervisor first, so that it starts nothing again.
  for (const { child, ended } of supervisors.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
  const mine = findProcesses((command) => command.includes(folder));
  await Promise.all(mine.map((each) => stopProcess(each, [])));
  rmSync(path.dirname(folder), { recursive: true, force: true });
}

export function readOrUndefined(): ProcessesFile | undefined {
  const file = path.join(folder, 'processes.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ProcessesFile) : undefined;
}

export function processOf(name: ProcessView['name']): ProcessView & { started: string | null } {
  const found = readOrUndefined()?.processes.find((each) => each.name === name);
  if (found === undefined) throw new Error(`processes.json does not list ${name}`);
  return found;
}

export function pidOf(name: ProcessView['name']): number {
  const { pid } = processOf(name);
  if (pid === null) throw new Error(`${name} does not run`);
  return pid;
}

export function start(more: Record<string, string | undefined> = {}): Start {
  const env = Object.fromEntries(
    Object.entries({ PATH: process.env['PATH'], HOME: process.env['HOME'], ...variables, ...more }).filter(
      ([, value]) => value !== undefined,
    ),
  ) as Record<string, string>;
  const child = spawn(process.execPath, [bootstrap, 'serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece: Buffer) => {
      out += piece.toString('utf8');
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const started = { child, out: () => out, ended };
  supervisors.push(started);
  return started;
}

/** Resolves when the page's link is printed, which is when everything is up. */
export async function startWhole(more: Record<string, string | undefined> = {}): Promise<Start> {
  const started = start(more);
  const early = started.ended.then(() => Promise.reject(new Error(`it ended early:\n${started.out()}`)));
  const printed = expect.poll(started.out, { timeout: startMs }).toContain('is ready after');
  await Promise.race([printed, early]);
  expect(readOrUndefined()?.processes.filter(({ health }) => !['up', 'external'].includes(health))).toEqual(
    [],
  );
  // From here on its end is the test's own business.
  early.catch(() => undefined);
  return started;
}

export async function stop({ child, ended }: Start): Promise<void> {
  child.kill('SIGINT');
  expect(await ended).toBe(0);
}

export async function call(route: string, body?: unknown): Promise<Response> {
  const token = readFileSync(path.join(folder, 'token'), 'utf8').trim();
  return fetch(`${readOrUndefined()?.url}/api/v1${route}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

export async function runToItsEnd(): Promise<string> {
  const accepted = await call('/runs', { prompt: 'hello', model: 'scripted/hello' });
  expect(accepted.status).toBe(202);
  const { id } = (await accepted.json()) as { id: string };
  const status = async () => ((await (await call(`/runs/${id}`)).json()) as { status: string }).status;
  await expect.poll(status, { timeout: startMs }).toBe('succeeded');
  return id;
}

export function listenOn(port: number): Promise<void> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      held.push(server);
      resolve();
    });
  });
}

export const everyName: ProcessView['name'][] = ['supervisor', 'api', 'worker', 'postgres', 'temporal'];
