// The embedded Temporal server: the official program with its file, started, taken over after a crash, stopped.
// A second one on the same file would start and wreck it, so the process table is asked first.
import { mkdirSync } from 'node:fs';
import { createConnection } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DetachedProcess } from '../process/detached-process.ts';
import { adoptProcess, spawnDetached } from '../process/detached-process.ts';
import { logTail } from '../process/log-tail.ts';
import type { WantedPort } from '../ports.ts';
import { choosePort } from '../ports.ts';
import type { ProcessIdentity } from '../../process-table.ts';
import { findProcesses, isRunning } from '../../process-table.ts';
import { stopProcess } from '../process/stop-process.ts';
import type { TemporalIdentity } from './temporal-cluster.ts';
import { prepareNamespace } from './temporal-cluster.ts';
import { temporalExecutable } from './temporal-executable.ts';

export interface TemporalInput extends WantedPort {
  /** Holds everything of this server; made when missing. A server taken over in it keeps its own ports. */
  folder: string;
  uiPort: number;
  uiMovable?: boolean;
  logFile: string;
  namespace?: string;
  cacheFolder?: string;
  say?(line: string): void;
}

export interface TemporalServer extends DetachedProcess {
  address: string;
  uiAddress: string;
  port: number;
  uiPort: number;
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
  // Every workflow stays in memory for an hour after its end, up to 8,096 of them: 36 MB for a thousand runs. This is
  // more than are at work at once on one machine; any other is read from the file when it is needed.
  'history.hostLevelCacheMaxSize': '256',
  // Events for clusters that replicate, of which there are none: it fills up to 8 MB for nothing.
  'history.xdcCacheMaxSizeBytes': '262144',
};

function serverArgs(file: string, namespace: string): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--namespace', namespace, '--db-filename', file],
    // With 2 an acknowledged write is on the disk; the write-ahead log makes that affordable.
    ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=2'],
    ...Object.entries(dynamicConfiguration).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${value}`,
    ]),
    ...['--log-format', 'json', '--log-level', 'warn'],
  ];
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
    if (!isRunning(server)) return { problem: 'it ended at once' };
    // The client backs off for a second after a refused connection; a bare socket does not.
    if (await accepts(port)) {
      try {
        return { identity: await prepareNamespace(`127.0.0.1:${port}`, namespace), problem: '' };
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
  place: { port: number; uiPort: number; identity: TemporalIdentity; takenOver: boolean },
): TemporalServer {
  return {
    ...place,
    pid: server.pid,
    started: server.started,
    exited: server.exited,
    address: `127.0.0.1:${place.port}`,
    uiAddress: `http://127.0.0.1:${place.uiPort}`,
    stop: () => stopTemporal(server),
  };
}

async function takeOver(
  executable: string,
  file: string,
  namespace: string,
): Promise<TemporalServer | undefined> {
  const wanted = [executable, ...serverArgs(file, namespace)].join(' ');
  const survivors = findProcesses((command) => command.includes(` --db-filename ${file} `));
  for (const survivor of survivors) {
    const ports = / --port (\d+) --ui-port (\d+)$/.exec(survivor.command);
    const [port, uiPort] = [Number(ports?.[1] ?? 0), Number(ports?.[2] ?? 0)];
    if (survivor.command === `${wanted} --port ${port} --ui-port ${uiPort}`) {
      // A healthy survivor answers at once; a frozen one is not worth more waiting.
      const { identity } = await waitUntilReady(survivor, port, namespace, 3_000);
      if (identity !== undefined)
        return toServer(adoptProcess(survivor), { port, uiPort, identity, takenOver: true });
    }
    await stopTemporal(survivor);
  }
  return undefined;
}

async function choosePorts(input: TemporalInput): Promise<{ port: number; uiPort: number }> {
  const port = await choosePort(input, 'Temporal', 'PERDURE_TEMPORAL_PORT');
  const ui = { port: input.uiPort, movable: input.uiMovable ?? false };
  for (;;) {
    const uiPort = await choosePort(ui, "Temporal's Web UI", 'PERDURE_TEMPORAL_UI_PORT');
    // Nobody holds the first one yet, so the same may be offered twice.
    if (uiPort !== port) return { port, uiPort };
    ui.port = 0;
  }
}

/** Resolves when the namespace is ready. A healthy server with the same settings on this folder is taken over. */
export async function startTemporal(input: TemporalInput): Promise<TemporalServer> {
  const folder = path.resolve(input.folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, 'temporal.db');
  const namespace = input.namespace ?? 'perdure';
  const executable = await temporalExecutable(input);
  const survivor = await takeOver(executable, file, namespace);
  if (survivor !== undefined) return survivor;
  const { port, uiPort } = await choosePorts(input);
  const server = await spawnDetached({
    executable,
    args: [...serverArgs(file, namespace), '--port', String(port), '--ui-port', String(uiPort)],
    // Its own variables (TEMPORAL_…) would change what it does, and it keeps a configuration file under HOME.
    env: { PATH: '/usr/bin:/bin', HOME: folder, TZ: 'UTC' },
    cwd: folder,
    logFile: input.logFile,
  });
  // Replaying the write-ahead log of a crash takes seconds at most.
  const { identity, problem } = await waitUntilReady(server, port, namespace, 60_000);
  if (identity !== undefined) return toServer(server, { port, uiPort, identity, takenOver: false });
  await stopTemporal(server);
  throw new Error(
    `Temporal did not start: ${problem}. Its log ${input.logFile} ends:\n${logTail(input.logFile)}`,
  );
}
