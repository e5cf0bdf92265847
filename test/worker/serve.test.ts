import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ProcessView } from '../../workflows/contracts/system.ts';
import { findProcesses, runningProcess } from '../../worker/supervisor/process-table.ts';
import { freePort } from '../../worker/supervisor/ports.ts';
import { startPostgres } from '../../worker/supervisor/postgres.ts';
import { startTemporal } from '../../worker/supervisor/temporal-server.ts';
import { stopProcess } from '../../worker/supervisor/stop-process.ts';

interface ProcessesFile {
  version: string;
  url: string | null;
  temporalUi: string | null;
  processes: (ProcessView & { started: string | null })[];
}

interface Start {
  child: ChildProcess;
  out(): string;
  ended: Promise<number | null>;
}

const bootstrap = path.resolve(import.meta.dirname, '../../worker/perdure.mjs');
// A start takes three seconds on a quiet machine.
const startMs = 60_000;

let folder: string;
let variables: Record<string, string>;
let taken: Server | undefined;

beforeEach(async () => {
  const outer = mkdtempSync(path.join(realpathSync(tmpdir()), 'perdure-serve-'));
  // As root the database has a user of its own, who must get through to the data folder.
  chmodSync(outer, 0o755);
  folder = path.join(outer, 'data');
  const names = [
    'PERDURE_PORT',
    'PERDURE_TEMPORAL_PORT',
    'PERDURE_TEMPORAL_UI_PORT',
    'PERDURE_POSTGRES_PORT',
  ];
  variables = { PERDURE_DATA: folder };
  for (const name of names) variables[name] = String(await freePort());
});

afterEach(async () => {
  taken?.close();
  taken = undefined;
  // Whatever a failed test left: the supervisor first, so that it starts nothing again.
  const mine = findProcesses((command) => command.includes(folder));
  const supervisor = readOrUndefined()?.processes.find(({ name }) => name === 'supervisor')?.pid;
  const holder = supervisor == null ? undefined : runningProcess(supervisor);
  if (holder?.command.includes('perdure.mjs')) await stopProcess(holder, []);
  await Promise.all(mine.map((each) => stopProcess(each, [])));
  rmSync(path.dirname(folder), { recursive: true, force: true });
});

function readOrUndefined(): ProcessesFile | undefined {
  const file = path.join(folder, 'processes.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ProcessesFile) : undefined;
}

function processOf(name: ProcessView['name']): ProcessView & { started: string | null } {
  const found = readOrUndefined()?.processes.find((each) => each.name === name);
  if (found === undefined) throw new Error(`processes.json does not list ${name}`);
  return found;
}

function pidOf(name: ProcessView['name']): number {
  const { pid } = processOf(name);
  if (pid === null) throw new Error(`${name} does not run`);
  return pid;
}

function start(more: Record<string, string | undefined> = {}): Start {
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
  return { child, out: () => out, ended: new Promise((resolve) => child.once('close', resolve)) };
}

/** Resolves when the page's link is printed and the worker is ready too. */
async function startWhole(more: Record<string, string | undefined> = {}): Promise<Start> {
  const started = start(more);
  const early = started.ended.then(() => Promise.reject(new Error(`it ended early:\n${started.out()}`)));
  const printed = expect.poll(started.out, { timeout: startMs }).toContain('is ready after');
  await Promise.race([printed, early]);
  await expect.poll(() => processOf('worker').health, { timeout: startMs }).toBe('up');
  // From here on its end is the test's own business.
  early.catch(() => undefined);
  return started;
}

async function stop({ child, ended }: Start): Promise<void> {
  child.kill('SIGINT');
  expect(await ended).toBe(0);
}

async function call(route: string, body?: unknown): Promise<Response> {
  const token = readFileSync(path.join(folder, 'token'), 'utf8').trim();
  return fetch(`${readOrUndefined()?.url}/api/v1${route}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function runToItsEnd(): Promise<string> {
  const accepted = await call('/runs', { prompt: 'hello', model: 'scripted/hello' });
  expect(accepted.status).toBe(202);
  const { id } = (await accepted.json()) as { id: string };
  const status = async () => ((await (await call(`/runs/${id}`)).json()) as { status: string }).status;
  await expect.poll(status, { timeout: startMs }).toBe('succeeded');
  return id;
}

function listenOn(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

const everyName: ProcessView['name'][] = ['supervisor', 'api', 'worker', 'postgres', 'temporal'];

describe('perdure serve', () => {
  test('starts everything, says what is where, refuses a second start, and stops in order at a doubled Ctrl-C', async () => {
    const started = await startWhole();
    const file = readOrUndefined();
    const { PERDURE_PORT, PERDURE_TEMPORAL_PORT, PERDURE_TEMPORAL_UI_PORT, PERDURE_POSTGRES_PORT } =
      variables;
    const url = `http://127.0.0.1:${PERDURE_PORT}`;
    const temporalUi = `http://127.0.0.1:${PERDURE_TEMPORAL_UI_PORT}`;
    expect({ url: file?.url, temporalUi: file?.temporalUi }).toEqual({ url, temporalUi });
    const views = file?.processes.map(({ name, address, health, restarts }) => ({
      name,
      address,
      health,
      restarts,
    }));
    const up = { health: 'up', restarts: 0 };
    expect(views).toEqual([
      { name: 'supervisor', address: null, ...up },
      { name: 'api', address: url, ...up },
      { name: 'worker', address: null, ...up },
      { name: 'postgres', address: `127.0.0.1:${PERDURE_POSTGRES_PORT}`, ...up },
      { name: 'temporal', address: `127.0.0.1:${PERDURE_TEMPORAL_PORT}`, ...up },
    ]);
    for (const { pid, started: since } of file?.processes ?? [])
      expect(runningProcess(pid ?? 0)?.started).toBe(since);
    const token = readFileSync(path.join(folder, 'token'), 'utf8').trim();
    for (const shown of [`${url}/#token=${token}`, `${url}/docs`, temporalUi, path.join(folder, 'token')]) {
      expect(started.out()).toContain(shown);
    }
    expect(started.out()).toContain('no model key is set, so the scripted model answers');
    expect(statSync(path.join(folder, 'token')).mode & 0o077).toBe(0);
    expect(statSync(folder).mode & 0o007).toBe(0);

    const second = start();
    expect(await second.ended).toBe(1);
    expect(second.out()).toBe(
      `perdure: ${folder} is held by the Perdure with pid ${pidOf('supervisor')}: stop that one, or set PERDURE_DATA to another folder.\n`,
    );
    await runToItsEnd();

    started.child.kill('SIGINT');
    setTimeout(() => started.child.kill('SIGINT'), 50);
    expect(await started.ended).toBe(0);
    const log = (name: string) => readFileSync(path.join(folder, 'logs', `${name}.log`), 'utf8');
    const stoppedAt = (name: string) =>
      log(name)
        .split('\n')
        .map((line) => /"time":"([^"]+)".*"msg":"stopped"/.exec(line)?.[1])
        .find((time) => time !== undefined) ?? 'never';
    const databaseShutAt = /(\S+) (\S+) UTC \[\d+\] LOG: {2}received fast shutdown request/.exec(
      log('postgres'),
    );
    const order = [stoppedAt('api'), stoppedAt('worker'), `${databaseShutAt?.[1]}T${databaseShutAt?.[2]}Z`];
    expect(order).toEqual([...order].sort());
    expect(order).not.toContain('never');
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
    expect([readOrUndefined(), existsSync(path.join(folder, 'supervisor.lock'))]).toEqual([undefined, false]);
    // The database's password and the token are in no log.
    const password = readFileSync(path.join(folder, 'postgres', 'password'), 'utf8').trim();
    for (const name of everyName) {
      expect(log(name)).not.toContain(password);
      expect(log(name)).not.toContain(token);
    }
  });

  test('starts each part again that is killed, and leaves the others alone', async () => {
    const started = await startWhole();
    for (const name of ['worker', 'api', 'temporal', 'postgres'] as const) {
      const before = Object.fromEntries(everyName.map((each) => [each, pidOf(each)]));
      process.kill(pidOf(name), 'SIGKILL');
      await expect
        .poll(() => [processOf(name).health, processOf(name).pid === before[name]], { timeout: startMs })
        .toEqual(['up', false]);
      const after = Object.fromEntries(everyName.map((each) => [each, pidOf(each)]));
      expect(after).toEqual({ ...before, [name]: after[name] });
      expect(processOf(name).restarts).toBe(1);
    }
    await expect.poll(async () => (await call('/health')).status, { timeout: startMs }).toBe(200);
    await runToItsEnd();
    await stop(started);
  });

  test('takes over what a killed supervisor left: the servers go on, the API and the worker are new', async () => {
    const first = await startWhole();
    const before = Object.fromEntries(everyName.map((name) => [name, pidOf(name)]));
    const run = await runToItsEnd();
    first.child.kill('SIGKILL');
    await first.ended;
    expect(runningProcess(before['api'] ?? 0)).toBeDefined();
    const second = await startWhole();
    const after = Object.fromEntries(everyName.map((name) => [name, pidOf(name)]));
    const { postgres, temporal } = before;
    expect(after).toMatchObject({ postgres, temporal });
    expect([after['api'], after['worker']]).not.toEqual([before['api'], before['worker']]);
    expect(['api', 'worker'].map((name) => runningProcess(before[name] ?? 0))).toEqual([
      undefined,
      undefined,
    ]);
    expect(processOf('api').address).toBe(`http://127.0.0.1:${variables['PERDURE_PORT']}`);
    expect((await call(`/runs/${run}`)).status).toBe(200);
    await stop(second);
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
  });

  test('comes back with everything after all of it was killed at once', async () => {
    const first = await startWhole();
    const run = await runToItsEnd();
    for (const name of everyName) process.kill(pidOf(name), 'SIGKILL');
    await first.ended;
    const second = await startWhole();
    expect(((await (await call(`/runs/${run}`)).json()) as { status: string }).status).toBe('succeeded');
    await runToItsEnd();
    await stop(second);
  });

  test('uses servers that already run, checks whose they are, and leaves them running', async () => {
    const outer = path.dirname(folder);
    const [postgres, temporal] = await Promise.all([
      startPostgres({
        folder: path.join(outer, 'postgres'),
        port: 0,
        logFile: path.join(outer, 'postgres.log'),
      }),
      startTemporal({
        folder: path.join(outer, 'temporal'),
        port: 0,
        uiPort: 0,
        logFile: path.join(outer, 'temporal.log'),
      }),
    ]);
    try {
      const started = await startWhole({ DATABASE_URL: postgres.url, TEMPORAL_ADDRESS: temporal.address });
      const { temporalUi, processes } = readOrUndefined() ?? {};
      const external = { pid: null, health: 'external', restarts: 0 };
      expect(temporalUi).toBeNull();
      expect(processes?.filter(({ health }) => health === 'external')).toMatchObject([
        { name: 'postgres', address: `127.0.0.1:${postgres.port}`, ...external },
        { name: 'temporal', address: temporal.address, ...external },
      ]);
      expect(started.out()).not.toContain(new URL(postgres.url).password);
      await runToItsEnd();
      await stop(started);
      expect([runningProcess(postgres.pid)?.started, runningProcess(temporal.pid)?.started]).toEqual([
        postgres.started,
        temporal.started,
      ]);
    } finally {
      await Promise.all([postgres.stop(), temporal.stop()]);
    }
  });

  test('refuses a busy port that was asked for and leaves nothing running', async () => {
    taken = await listenOn(Number(variables['PERDURE_PORT']));
    const started = start();
    expect(await started.ended).toBe(1);
    expect(started.out()).toContain(
      `perdure: The API cannot have port ${variables['PERDURE_PORT']}, another program has it: end that one or change PERDURE_PORT.\n`,
    );
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
  });

  test('moves from a busy port that nobody asked for and prints where to', async () => {
    // Somebody else on this machine may have it already, which serves as well.
    taken = await listenOn(7700).catch(() => undefined);
    const started = await startWhole({ PERDURE_PORT: undefined });
    const { url } = readOrUndefined() ?? {};
    expect(url).not.toBe('http://127.0.0.1:7700');
    expect(started.out()).toContain(`port 7700 was in use, so ${new URL(url ?? '').port}`);
    expect(started.out()).toContain(`${url}/#token=`);
    await stop(started);
  });

  test('refuses another Temporal server than its own and leaves nothing running', async () => {
    await stop(await startWhole());
    const identity = { clusterId: 'another', namespaceId: 'another' };
    writeFileSync(path.join(folder, 'temporal-identity.json'), JSON.stringify(identity));
    const started = start();
    expect(await started.ended).toBe(1);
    expect(started.out()).toMatch(
      /perdure: The Temporal server at \S+ is not the one this data folder has worked with/,
    );
    expect(findProcesses((command) => command.includes(folder))).toEqual([]);
  });

  test('tells a mistake in the settings in one line, without a stack', async () => {
    const started = start({ PERDURE_PROT: '1' });
    expect(await started.ended).toBe(2);
    expect(started.out()).toBe('perdure: There is no variable PERDURE_PROT; did you mean PERDURE_PORT?\n');
  });
});
