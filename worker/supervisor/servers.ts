// Postgres and Temporal as the supervisor sees them: our own, which are kept running, or given ones, which are only
// checked.
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { userCacheFolder } from '../config/config.ts';
import type { DataFolder } from '../data-folder.ts';
import { databaseProblem } from './postgres/database-problem.ts';
import type { RunningPart } from './process/keep-running.ts';
import type { PostgresServer } from './postgres/postgres.ts';
import { startPostgres } from './postgres/postgres.ts';
import { stopProcess } from './process/stop-process.ts';
import { prepareNamespace } from './temporal/prepare-namespace.ts';
import { temporalIdentityProblem } from './temporal/temporal-identity.ts';
import type { TemporalServer } from './temporal/temporal-server.ts';
import { startTemporal } from './temporal/temporal-server.ts';

export interface ServerPart {
  /** What the others connect to: the database's URL with its password, or Temporal's address. */
  target: string;
  /** For people, without a password. */
  address: string;
  note: string;
  /** Where Temporal's Web UI is, for the API alone. */
  ui?: string;
  /** Undefined when the server is not ours to keep. */
  first?: RunningPart;
  start?(): Promise<RunningPart>;
}

function toPart(server: PostgresServer | TemporalServer, address: string): RunningPart {
  return {
    pid: server.pid,
    address,
    exited: server.exited,
    // Both resolve their start only when they answer.
    ready: Promise.resolve(),
    stop: () => server.stop(),
    kill: () => stopProcess(server, []),
  };
}

function noteOf(server: { takenOver: boolean; port: number }, asked: number): string {
  if (server.takenOver) return 'taken over, it was still running';
  return server.port === asked ? '' : `port ${asked} was in use`;
}

export async function openPostgres(config: Config, data: DataFolder): Promise<ServerPart> {
  if (config.databaseUrl !== undefined) {
    const problem = await databaseProblem(config.databaseUrl);
    if (problem !== undefined) throw new Error(problem);
    return { target: config.databaseUrl, address: new URL(config.databaseUrl).host, note: 'DATABASE_URL' };
  }
  const place = { folder: data.postgres, logFile: data.logFile('postgres') };
  const movable = config.sources['postgresPort'] === 'default';
  const server = await startPostgres({ ...place, port: config.postgresPort, movable });
  const address = `127.0.0.1:${server.port}`;
  return {
    target: server.url,
    address,
    note: noteOf(server, config.postgresPort),
    first: toPart(server, address),
    // Other processes know the address: a successor must have it too.
    start: async () => toPart(await startPostgres({ ...place, port: server.port }), address),
  };
}

async function checkIdentity(data: DataFolder, address: string, server: TemporalServer): Promise<void> {
  const problem = temporalIdentityProblem(data.temporalIdentityFile, address, server.identity);
  if (problem === undefined) return;
  await server.stop();
  throw new Error(problem);
}

async function externalTemporal(config: Config, data: DataFolder, address: string): Promise<ServerPart> {
  const identity = await prepareNamespace(
    { ...config, temporalAddress: address },
    config.temporalNamespace,
    config.workerOnly === 'on',
  ).catch((error: Error) => {
    throw new Error(
      `The Temporal server of TEMPORAL_ADDRESS ${address} cannot be used (${error.message}): start it or correct the address.`,
    );
  });
  const problem = temporalIdentityProblem(data.temporalIdentityFile, address, identity);
  if (problem !== undefined) throw new Error(problem);
  return { target: address, address, note: 'TEMPORAL_ADDRESS' };
}

export async function openTemporal(
  config: Config,
  data: DataFolder,
  { say, logger, signal }: { say(line: string): void; logger: Logger; signal: AbortSignal },
): Promise<ServerPart> {
  if (config.temporalAddress !== undefined) return externalTemporal(config, data, config.temporalAddress);
  const place = {
    folder: data.temporal,
    logFile: data.logFile('temporal'),
    namespace: config.temporalNamespace,
    cacheFolder: userCacheFolder(),
    say,
    signal,
  };
  const server = await startTemporal({
    ...place,
    port: config.temporalPort,
    movable: config.sources['temporalPort'] === 'default',
    ui: config.temporalUi === 'on' ? 'hidden' : 'off',
  });
  await checkIdentity(data, server.address, server);
  logger.info({ identity: server.identity, takenOver: server.takenOver }, 'Temporal answers');
  return {
    target: server.address,
    address: server.address,
    note: noteOf(server, config.temporalPort),
    ...(server.ui && { ui: `http://${server.ui.host}:${server.ui.port}` }),
    first: toPart(server, server.address),
    async start() {
      const next = await startTemporal({ ...place, port: server.port, ui: server.ui ?? 'off' });
      await checkIdentity(data, next.address, next);
      return toPart(next, next.address);
    },
  };
}
