// The embedded Temporal server: the official program with its file, started, taken over after a crash, stopped.
// A second one on the same file would start and wreck it: each holds a kernel's lock beside the file as long as it lives.
import { mkdirSync } from 'node:fs';
import { createConnection } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openersOf, standsIn } from '../../../activities/host/open-files.ts';
import { lockWithin } from '../../kernel-lock.ts';
import type { DetachedProcess } from '../process/detached-process.ts';
import { adoptProcess, spawnDetached } from '../process/detached-process.ts';
import { endOfLog } from '../process/log-tail.ts';
import type { Place, WantedPort } from '../ports.ts';
import { choosePort, hiddenPlace, plainPlace } from '../ports.ts';
import type { ProcessIdentity } from '../../process-table.ts';
import { findProcesses, isRunning, type RunningProcess, runningProcesses } from '../../process-table.ts';
import { stopProcess } from '../process/stop-process.ts';
import { prepareNamespace } from './prepare-namespace.ts';
import type { TemporalIdentity } from './temporal-cluster.ts';
import { temporalExecutable } from './temporal-executable.ts';

export interface TemporalInput extends WantedPort {
  /** Holds everything of this server; made when missing. A server taken over in it keeps its own ports. */
  folder: string;
  /**
   * Where the Web UI listens, `hidden` for a new place where no page finds it, `off` for none. It has no login and
   * answers any Host: only the API, which has both, may be told where it is.
   */
  ui: Place | 'hidden' | 'off';
  logFile: string;
  namespace?: string;
  cacheFolder?: string;
  say?(line: string): void;
  /** Ends the download or build of the program; a server that has it starts. */
  signal?: AbortSignal;
}

export interface TemporalServer extends DetachedProcess {
  address: string;
  port: number;
  /** Undefined when it is off. */
  ui: Place | undefined;
  identity: TemporalIdentity;
  takenOver: boolean;
  /** Ends it; what was acknowledged is in its file. May be called twice. */
  stop(): Promise<void>;
}

// As delivered, the server lets a shard's queues poll 20 times a second, which puts 50 ms on every step.
export const dynamicConfiguration = {
  'system.enableActivityEagerExecution': 'true',
  'history.transferProcessorMaxPollRPS': '2000',
  'history.timerProcessorMaxPollRPS': '2000',
  'history.visibilityProcessorMaxPollRPS': '2000',
  // As delivered, a retry that is due at once waits up to a second for the timers' clock: most of a recovery.
  'history.timerProcessorMaxTimeShift': '"20ms"',
  // Its HTTP API cannot be switched off and has no login: it answers only to an invalid name.
  'frontend.httpAllowedHosts': '["off.invalid"]',
  // Every workflow stays in memory for an hour after its end, up to 8,096 of them: 36 MB for a thousand runs. This is
  // more than are at work at once on one machine; any other is read from the file when it is needed.
  'history.hostLevelCacheMaxSize': '256',
  // Events for clusters that replicate, of which there are none: it fills up to 8 MB for nothing.
  'history.xdcCacheMaxSizeBytes': '262144',
  // What stands ready for each queue of its own: as delivered 512 a queue, of which the file lets one write at a time.
  // Their stacks are 5 MB at rest, and grow with each that was at work once.
  'history.transferProcessorSchedulerWorkerCount': '32',
  'history.timerProcessorSchedulerWorkerCount': '32',
  'history.visibilityProcessorSchedulerWorkerCount': '32',
  'history.archivalProcessorSchedulerWorkerCount': '32',
  // Nothing is replicated.
  'history.ReplicationProcessorSchedulerWorkerCount': '1',
  'history.ReplicationLowPriorityProcessorSchedulerWorkerCount': '1',
  // Its own housekeeping: two ask for each kind of work instead of eight, which is 4 MB less.
  'worker.ScannerMaxConcurrentActivityTaskPollers': '2',
  'worker.ScannerMaxConcurrentWorkflowTaskPollers': '2',
  'worker.ParentCloseMaxConcurrentActivityTaskPollers': '2',
  'worker.ParentCloseMaxConcurrentWorkflowTaskPollers': '2',
};

// It makes an URI of the name, in which `#`, `?` and `%` mean something. So it stands in its folder and is given a
// name of ours, without a path.
const fileName = 'temporal.db';
const lockName = 'server.lock';
// A server that was just seen gone has given its lock back within milliseconds.
const lockWaitMs = 5_000;

/** Its name in the process table, so that people and the next supervisor see whose it is. */
function nameOf(executable: string, folder: string): string {
  return `${executable} [${folder}]`;
}

function serverArgs(namespace: string): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--namespace', namespace, '--db-filename', fileName],
    // With 2 an acknowledged write is on the disk; the write-ahead log makes that affordable.
    ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=2'],
    ...Object.entries(dynamicConfiguration).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${value}`,
    ]),
    ...['--log-format', 'json', '--log-level', 'warn', '--ui-public-path', '/temporal'],
  ];
}

interface Ports {
  port: number;
  metricsPort: number;
  ui: Place | undefined;
}

function portArgs({ port, metricsPort, ui }: Ports): string[] {
  return [
    ...['--port', String(port), '--metrics-port', String(metricsPort)],
    ...(ui ? ['--ui-ip', ui.host, '--ui-port', String(ui.port)] : ['--headless']),
  ];
}

/** The reverse; undefined when it is something else's command line, or an older version's. */
function portsOf(command: string): Ports | undefined {
  const end = / --port (\d+) --metrics-port (\d+) (?:--headless|--ui-ip (\S+) --ui-port (\d+))$/;
  const [, port, metricsPort, host, uiPort] = end.exec(command) ?? [];
  if (port === undefined) return undefined;
  const ui = host === undefined ? undefined : { host, port: Number(uiPort) };
  return { port: Number(port), metricsPort: Number(metricsPort), ui };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1', timeout: 1_000 });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    socket.once('timeout', () => settle(false));
    socket.once('error', () => settle(false));
  });
}

const endedAtOnce = 'it ended at once';

interface Readiness {
  identity?: TemporalIdentity;
  problem: string;
}

async function waitUntilReady(
  server: ProcessIdentity,
  port: number,
  namespace: string,
  waitMs: number,
): Promise<Readiness> {
  const deadline = Date.now() + waitMs;
  let problem = 'it does not listen';
  for (;;) {
    if (!isRunning(server)) return { problem: endedAtOnce };
    // The client backs off for a second after a refused connection; a bare socket does not.
    if (await accepts(port)) {
      try {
        return {
          identity: await prepareNamespace({ temporalAddress: `127.0.0.1:${port}` }, namespace),
          problem: '',
        };
      } catch (error) {
        problem = (error as Error).message;
      }
    }
    if (Date.now() >= deadline) return { problem };
    // A start takes 0.3 to 0.5 s, so this costs little of it.
    await sleep(25);
  }
}

async function stopTemporal(server: ProcessIdentity): Promise<void> {
  // It takes 2.5 s to say goodbye to its own pollers; after 8 s it hangs, and its file survives a kill.
  await stopProcess(server, [{ signal: 'SIGTERM', waitMs: 8_000 }]);
}

function toServer(
  server: DetachedProcess,
  { port, ui }: Ports,
  found: { identity: TemporalIdentity; takenOver: boolean },
): TemporalServer {
  return {
    ...found,
    port,
    ui,
    pid: server.pid,
    started: server.started,
    exited: server.exited,
    address: `127.0.0.1:${port}`,
    stop: () => stopTemporal(server),
  };
}

/** By what they have open, whatever the folder is called by now; and by name, where that cannot be looked at. */
function findSurvivors(executable: string, folder: string): RunningProcess[] {
  const files = [path.join(folder, lockName), path.join(folder, fileName)];
  const named = findProcesses((command) => command.startsWith(`${nameOf(executable, folder)} server `));
  const opened = runningProcesses(openersOf(files)).filter(({ command }) =>
    command.includes(' server start-dev '),
  );
  return [...new Map([...opened, ...named].map((each) => [each.pid, each])).values()];
}

async function takeOver(
  executable: string,
  folder: string,
  namespace: string,
  wantsUi: boolean,
): Promise<TemporalServer | undefined> {
  const wanted = [nameOf(executable, folder), ...serverArgs(namespace)];
  for (const survivor of findSurvivors(executable, folder)) {
    const ports = portsOf(survivor.command);
    const isSame = ports && survivor.command === [...wanted, ...portArgs(ports)].join(' ');
    if (isSame && wantsUi === (ports.ui !== undefined) && standsIn(survivor.pid, folder)) {
      // A healthy survivor answers at once; a frozen one is not worth more waiting.
      const { identity } = await waitUntilReady(survivor, ports.port, namespace, 3_000);
      if (identity !== undefined)
        return toServer(adoptProcess(survivor), ports, { identity, takenOver: true });
    }
    await stopTemporal(survivor);
  }
  return undefined;
}

async function choosePorts(input: TemporalInput): Promise<Ports> {
  const chosen = input.ui === 'hidden' ? await hiddenPlace() : input.ui;
  const ui = chosen === 'off' ? undefined : chosen;
  // Figures about the server, without a word of what runs.
  const { port: metricsPort } = await plainPlace();
  const port = await choosePort(input, 'Temporal', 'PERDURE_TEMPORAL_PORT');
  // No process holds a port until the server has it, so the same may have been offered twice.
  return port === metricsPort ? choosePorts(input) : { port, metricsPort, ui };
}

// Between the choice of a port and its use another program may take it, and then the server ends at once.
const mostStarts = 3;

/** Resolves when the namespace is ready. A healthy server with the same settings on this folder is taken over. */
export async function startTemporal(input: TemporalInput): Promise<TemporalServer> {
  const folder = path.resolve(input.folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const namespace = input.namespace ?? 'perdure';
  const executable = await temporalExecutable(input);
  const survivor = await takeOver(executable, folder, namespace, input.ui !== 'off');
  if (survivor !== undefined) return survivor;
  using lock = await lockWithin(lockWaitMs, path.join(folder, lockName), 'The Temporal server');
  for (let starts = 1; ; starts += 1) {
    const ports = await choosePorts(input);
    const server = await spawnDetached({
      executable,
      argv0: nameOf(executable, folder),
      lock,
      args: [...serverArgs(namespace), ...portArgs(ports)],
      // Its own variables (TEMPORAL_…) would change what it does, and it keeps a configuration file under HOME.
      // Its heap may grow to one and a half of what lives on it instead of twice: 25 MB less after 200 runs, for 1 % of
      // its CPU time.
      env: { PATH: '/usr/bin:/bin', HOME: folder, TZ: 'UTC', GOGC: '50' },
      cwd: folder,
      logFile: input.logFile,
    });
    // Replaying the write-ahead log of a crash takes seconds at most.
    const { identity, problem } = await waitUntilReady(server, ports.port, namespace, 60_000);
    if (identity !== undefined) return toServer(server, ports, { identity, takenOver: false });
    await stopTemporal(server);
    if (starts < mostStarts && problem === endedAtOnce) continue;
    throw new Error(`Temporal did not start: ${problem}. ${endOfLog(input.logFile)}`);
  }
}
