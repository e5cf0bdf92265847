// `perdure serve`: takes over or starts Postgres and Temporal, migrates, keeps the API and the worker running, and
// ends all of it in order. It holds no state of its own: a killed supervisor costs nothing but the restarts it
// would have made.
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { childEnvironment } from '../config/config.ts';
import { createDisk } from '../../activities/host/disk.ts';
import { thisHost } from '../../activities/host/process-table.ts';
import { type Chores, createChores } from '../chores.ts';
import type { DataFolder } from '../data-folder.ts';
import { folderKey, nameOf } from '../machine.ts';
import { collectWhenQuiet } from '../idle-garbage.ts';
import { diskFolders, logFolder } from '../data-folder.ts';
import type { KernelLock } from '../kernel-lock.ts';
import type { FolderLock } from './folder-lock.ts';
import type { KeptProcess, RunningPart } from './process/keep-running.ts';
import { keepRunning } from './process/keep-running.ts';
import { endOfLog } from './process/log-tail.ts';
import { orTell } from './or-tell.ts';
import { choosePort } from './ports.ts';
import type { Publication } from './publication.ts';
import { joinProblem, prepareDatabase } from './prepare-database.ts';
import { createPublication } from './publication.ts';
import type { Role } from './process/role-process.ts';
import { lockRoles, startRole, stopLeftovers } from './process/role-process.ts';
import { rotateLogs } from './process/rotate-logs.ts';
import { createStandby, type Standby } from './process/standby.ts';
import type { ServerPart } from './servers.ts';
import { openPostgres, openTemporal } from './servers.ts';

export interface SupervisorInput {
  config: Config;
  /** Locked by the caller. */
  data: DataFolder;
  lock: FolderLock;
  logger: Logger;
  /** Called with the database's address before anything is told that might contain its password. */
  onDatabase(url: string): void;
  say(line: string): void;
}

export interface Places {
  /** Null: this is a worker only. */
  url: string | null;
  temporalUi: string | null;
}

export interface Supervisor {
  /** Resolves when a run can be accepted and carried out; undefined when a stop came first. */
  start(): Promise<Places | undefined>;
  /** In order: API, worker, Temporal, Postgres. A second call waits for the first. */
  stop(): Promise<void>;
  /** Ends the waiting for what the API and the worker still do. */
  hurry(): void;
}

// Often enough that a log is never far above its size, rare enough to cost nothing.
const houseEveryMs = 5_000;
// Beyond the drain time: what the worker needs to cut off what did not finish, and to say goodbye.
const goodbyeMs = 8_000;
// A database that is gone must not hold up the end; the next worker's start does the same work.
const releaseWaitMs = 5_000;

type Kept = Partial<Record<'api' | 'worker' | 'postgres' | 'temporal', KeptProcess>>;

interface Scene extends SupervisorInput {
  kept: Kept;
  publication: Publication;
  chores: Chores;
  stopAsked: AbortSignal;
}

function keepServer(scene: Scene, name: 'postgres' | 'temporal', part: ServerPart): void {
  scene.say(`  ${name.padEnd(14)} ${part.address}${part.note === '' ? '' : ` (${part.note})`}`);
  if (part.first === undefined || part.start === undefined) {
    scene.publication.external(name, part.address);
    return;
  }
  const { first, start } = part;
  const onChange = () => scene.publication.write();
  scene.kept[name] = keepRunning({ name, first, start: () => start(), onChange, logger: scene.logger });
}

/** Throws with a sentence where it cannot be worked with. */
async function readyDatabase(scene: Scene, url: string): Promise<void> {
  const { config, data, logger, say, stopAsked } = scene;
  if (config.workerOnly === 'on') {
    const folder = folderKey(data.folder);
    const problem = await joinProblem({ name: nameOf(config), folder, host: thisHost() }, url);
    if (problem !== undefined) throw new Error(problem);
    return;
  }
  const preparing = prepareDatabase(data, url, config.s3, stopAsked);
  const sentence = 'The database is still being brought to this version, here or by another process.';
  const { migrated, moved, token } = await orTell(scene, preparing, () => sentence);
  if (migrated.length > 0) logger.info({ migrated }, 'the database was migrated');
  if (moved !== undefined)
    logger.info({ from: moved }, 'the data folder was moved, and what it names followed');
  if (token === undefined) return;
  say(`  ${'token'.padEnd(14)} ${token}`);
  logger.warn(`token: ${token}`);
}

async function startServers(scene: Scene): Promise<{ databaseUrl: string; temporal: ServerPart }> {
  const { config, data, logger, say } = scene;
  const [postgres, temporal] = await Promise.allSettled([
    openPostgres(config, data).then(async (part) => {
      scene.onDatabase(part.target);
      keepServer(scene, 'postgres', part);
      await readyDatabase(scene, part.target);
      return part.target;
    }),
    openTemporal(config, data, { say, logger, signal: scene.stopAsked }).then((part) => {
      keepServer(scene, 'temporal', part);
      return part;
    }),
  ]);
  // Only when both have settled, so that the one that did start is known and is stopped.
  if (postgres.status === 'rejected') throw postgres.reason;
  if (temporal.status === 'rejected') throw temporal.reason;
  return { databaseUrl: postgres.value, temporal: temporal.value };
}

interface RolePlace {
  env: Record<string, string>;
  address: string | null;
  /** Held by every role. */
  lock: KernelLock;
}

function roleStarter(scene: Scene, role: Role, place: RolePlace) {
  const { config, data, logger, chores } = scene;
  const drainMs = config.drainSeconds * 1_000 + goodbyeMs;
  return () => startRole({ role, data, drainMs, logger, chores, ...place });
}

async function keepRole(
  scene: Scene,
  role: 'api' | 'worker',
  start: () => Promise<RunningPart>,
  onDeath?: () => void,
): Promise<KeptProcess> {
  const { logger } = scene;
  const kept = keepRunning({
    name: role,
    first: await start(),
    start,
    onChange: () => scene.publication.write(),
    logger,
    ...(onDeath === undefined ? {} : { onDeath }),
  });
  scene.kept[role] = kept;
  scene.publication.write();
  return kept;
}

/** The reserve when it is ready, else a new process; either way the next reserve is made once work goes on. */
function workerStarter(scene: Scene, standby: Standby, place: RolePlace): () => Promise<RunningPart> {
  const startNew = roleStarter(scene, 'worker', place);
  return async () => {
    const part = standby.take() ?? (await startNew());
    void part.ready.then(() => standby.prepare());
    return part;
  };
}

/** Where a browser on this machine finds a server that listens on `host`. */
function pageUrl(host: string, port: number): string {
  const everywhere = host === '0.0.0.0' || host === '::';
  const name = everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

async function untilReady(scene: Scene, role: 'api' | 'worker', kept: KeptProcess): Promise<void> {
  const name = role === 'api' ? 'API' : role;
  await orTell(
    scene,
    kept.ready,
    () => `The ${name} is slow to start. ${endOfLog(scene.data.logFile(role))}`,
  );
}

/** What is looked after beside the processes, each by itself; answers what ends it. */
function keepHouse({ config, data, lock, logger, publication, chores, say }: Scene): (() => void)[] {
  const logs = logFolder(data.folder);
  const disk = createDisk(diskFolders(data.folder), config.minFreeBytes);
  let told = false;
  const look = (): void => {
    const problem = disk.problem();
    if ((problem !== undefined) === told) return;
    told = problem !== undefined;
    if (problem === undefined) logger.info(disk.look(), 'the disk has room again');
    else logger.error(disk.look(), problem);
    say(problem ?? 'The disk has room again; new work is accepted.');
  };
  const restore = (): void => {
    // The folder alone may be there again: a process that starts makes it.
    if (existsSync(data.logFile('supervisor'))) return;
    mkdirSync(logs, { recursive: true, mode: 0o700 });
    logger.warn(
      { folder: logs },
      'logs were removed and are made again; Postgres and Temporal write theirs when they start next',
    );
  };
  chores.run('looking at the disk', look);
  return [
    chores.every('looking at the disk', houseEveryMs, look),
    chores.every('keeping the folder of logs', houseEveryMs, restore),
    collectWhenQuiet(chores),
    chores.every('rotating the logs', houseEveryMs, () => rotateLogs(logs)),
    chores.every('keeping processes.json', houseEveryMs, publication.keep),
    chores.every('keeping the lock of the data folder', houseEveryMs, lock.keep),
  ];
}

// In the order of their ends.
const names = ['api', 'worker', 'temporal', 'postgres'] as const;

/** Where the API will be, and through it Temporal's Web UI; `ui`: where that one is, when we started it. */
async function placesOf({ config, say }: SupervisorInput, ui: string | undefined) {
  if (config.workerOnly === 'on')
    return { port: config.port, url: null, temporalUi: null, temporalUiUpstream: undefined };
  const movable = config.sources['port'] === 'default';
  const port = await choosePort({ port: config.port, movable }, 'The API', 'PERDURE_PORT', config.host);
  if (port !== config.port) say(`  ${'api'.padEnd(14)} port ${config.port} was in use, so ${port}`);
  const url = pageUrl(config.host, port);
  const temporalUiUpstream = ui ?? config.temporalUiUpstream;
  const isShown = config.temporalUi === 'on' && temporalUiUpstream !== undefined;
  // Through the API, which asks for a login; the place itself is told to no other process.
  const temporalUi = isShown ? `${url}/temporal` : (config.temporalUiLink ?? null);
  return { port, url, temporalUi, temporalUiUpstream };
}

/** A call while one is under way joins that one. */
function oneAtATime(act: () => Promise<void>): () => Promise<void> {
  let underWay: Promise<void> | undefined;
  return () => {
    underWay ??= act().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

async function releaseDead(
  { config, data, logger }: Scene,
  servers: { databaseUrl: string; temporalAddress: string },
): Promise<void> {
  // At the first death: a supervisor that never saw one does without the store and Temporal's client.
  const [{ releaseExecutors }, { untilStored }] = await Promise.all([
    import('../processes/release.ts'),
    import('../../activities/store/db/until-stored.ts'),
  ]);
  // Once there is room, or Postgres is back: sooner than its timeouts.
  await untilStored(() =>
    releaseExecutors({ ...config, ...servers, dataFolder: data.folder, log: logger }),
  ).catch((error: unknown) =>
    logger.error({ err: error }, 'what a dead worker held was not released; its timeouts will'),
  );
}

export function createSupervisor(input: SupervisorInput): Supervisor {
  const { config, data, logger } = input;
  const kept: Kept = {};
  const chores = createChores(logger);
  const { processesFile } = data;
  const publication = createPublication(processesFile, chores, () => names.map((name) => kept[name]));
  const stopped = new AbortController();
  const scene: Scene = { ...input, kept, publication, chores, stopAsked: stopped.signal };
  let unlockRoles = (): void => undefined;
  let release = async (): Promise<void> => undefined;
  let standby: Standby | undefined;
  let stopping: Promise<void> | undefined;
  let starting: Promise<unknown> = Promise.resolve();
  const stopHousekeeping = keepHouse(scene);

  async function start(): Promise<Places | undefined> {
    const leftovers = await stopLeftovers(data);
    if (leftovers > 0) input.say(`  stopped ${leftovers} processes of a supervisor that is gone`);
    const lock = await lockRoles(data);
    unlockRoles = lock.close;
    publication.write();
    const { databaseUrl, temporal } = await startServers(scene);
    const temporalAddress = temporal.target;
    const { port, url, temporalUi, temporalUiUpstream } = await placesOf(input, temporal.ui);
    publication.places(url, temporalUi);
    const servers = { databaseUrl, temporalAddress };
    const decided = { dataFolder: data.folder, port, ...servers };
    // A worker runs what agents ask for, so it is not told where the Web UI is.
    const env = childEnvironment(config, { ...decided, temporalUiUpstream: undefined });
    const apiEnv = childEnvironment(config, { ...decided, temporalUiUpstream });
    release = oneAtATime(() => releaseDead(scene, servers));
    const api =
      url !== null &&
      (await keepRole(scene, 'api', roleStarter(scene, 'api', { env: apiEnv, address: url, lock })));
    standby = createStandby({ start: roleStarter(scene, 'standby', { env, address: null, lock }), logger });
    const worker = await keepRole(
      scene,
      'worker',
      workerStarter(scene, standby, { env, address: null, lock }),
      () => void release(),
    );
    const bothReady = Promise.all([
      api && untilReady(scene, 'api', api),
      untilReady(scene, 'worker', worker),
    ]);
    // A stop must not wait for a process that never comes.
    await Promise.race([bothReady, aborted(stopped.signal)]);
    return stopping === undefined ? { url, temporalUi } : undefined;
  }

  async function stop(): Promise<void> {
    stopped.abort(new Error('A stop was asked for.'));
    await kept.api?.stop();
    await standby?.stop();
    await kept.worker?.stop();
    await Promise.race([release(), sleep(releaseWaitMs, undefined, { ref: false })]);
    await kept.temporal?.stop();
    await kept.postgres?.stop();
    // What was being started when the stop came is known once it has started, or failed to.
    await starting.catch(() => undefined);
    for (const name of names) await kept[name]?.stop();
    for (const end of stopHousekeeping) end();
    unlockRoles();
    chores.run('removing processes.json', () => rmSync(processesFile, { force: true }));
  }

  return {
    start() {
      const started = start();
      starting = started;
      return started;
    },
    stop() {
      stopping ??= stop();
      return stopping;
    },
    hurry() {
      for (const part of [kept.api, kept.worker]) chores.run('ending at once', () => part?.kill());
    },
  };
}
