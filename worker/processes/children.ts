// The API and the worker as processes: configuration, log, readiness and signals around what they do.
import { mkdirSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import path from 'node:path';
import type { Logger } from 'pino';
import { createRedactor } from '../../activities/store/log/redaction.ts';
import type { Config } from '../config/config.ts';
import { knownSecrets, loadConfig } from '../config/config.ts';
import { ConfigProblem } from '../config/config-problem.ts';
import type { RoleConfig } from './deps.ts';
import { giveLifeSigns } from './life-signs.ts';
import { type Chores, createChores } from '../chores.ts';
import { collectWhenQuiet } from '../idle-garbage.ts';
import { standardOutput } from '../logs/log-file.ts';
import { createLogging, logCrashes } from '../logs/logging.ts';
import { keepSharedLock } from '../kernel-lock.ts';
import { prepareDataFolder, readyFile } from '../data-folder.ts';
import { writeFileWhole } from '../write-file-whole.ts';

interface RunningChild {
  /** Resolves when the process may end by itself. */
  ended: Promise<void>;
  stop(): Promise<void>;
}

// Each is one call to the kernel; a look a second finds a new sign nearly every time.
const lifeSignMs = 1_000;

function withServers(config: Config): RoleConfig {
  const { databaseUrl, temporalAddress } = config;
  if (databaseUrl === undefined || temporalAddress === undefined) {
    throw new ConfigProblem('Set DATABASE_URL and TEMPORAL_ADDRESS, or start everything with: perdure serve');
  }
  return { ...config, databaseUrl, temporalAddress };
}

async function run(
  name: 'api' | 'worker' | 'standby',
  args: string[],
  open: (config: RoleConfig, logger: Logger, told: Promise<void>, chores: Chores) => Promise<RunningChild>,
): Promise<number> {
  const config = withServers(loadConfig({ flags: args }));
  const data = prepareDataFolder(config.dataFolder);
  // Before anything is started that would inherit it; the kernel takes it back when this process has ended.
  keepSharedLock(data.rolesLockFile);
  const redactor = createRedactor(knownSecrets(config));
  const redact = (text: string) => redactor.text(text);
  const service = name === 'standby' ? 'worker' : name;
  const to = standardOutput(data.logFile(service));
  const logging = createLogging({ service, level: config.logLevel, redact, to });
  logCrashes(logging);
  const chores = createChores(logging.logger);
  const endLifeSigns = giveLifeSigns(chores, data.lifeFile(process.pid), lifeSignMs);
  const endCollecting = collectWhenQuiet(chores);
  const told = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => told.resolve());
  try {
    const child = await open(config, logging.logger, told.promise, chores);
    sayReady(chores, data.readyFile(name));
    logging.logger.info({ pid: process.pid }, 'ready');
    // Kept now and not at the exit, which a kill skips: it halves the start of the successor.
    flushCompileCache();
    await Promise.race([told.promise, child.ended]);
    await child.stop();
    logging.logger.info('stopped');
    return 0;
  } catch (error) {
    logging.logger.fatal({ err: error }, 'the process failed');
    return 1;
  } finally {
    logging.flush();
    endLifeSigns();
    endCollecting();
    // Whatever still holds the process open has had its time: this one is done, and its supervisor waits.
    setTimeout(() => process.exit(), exitGraceMs).unref();
  }
}

// Short enough for a supervisor that waits for it.
const sayAgainMs = 200;

/** Work goes on while a full disk does not take the file, or its folder was removed; it is there once it can be. */
function sayReady(chores: Chores, file: string): void {
  const write = (): void => {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileWhole(file, String(process.pid));
    stop();
  };
  const stop = chores.every('saying that it is ready', sayAgainMs, write);
  chores.run('saying that it is ready', write);
}

// Sockets that were just closed and a native library's threads are gone well within this.
const exitGraceMs = 1_000;

export function runApi(args: string[]): Promise<number> {
  return run('api', args, async (config, logger) => {
    const { startApiProcess } = await import('./api-process.ts');
    const api = await startApiProcess(config, logger);
    return { ended: new Promise(() => undefined), stop: () => api.stop() };
  });
}

export function runWorker(args: string[]): Promise<number> {
  return run('worker', args, async (config, logger) => {
    const { startWorkerProcess } = await import('./worker-process.ts');
    const worker = await startWorkerProcess(config, logger);
    return {
      ended: worker.running,
      async stop() {
        worker.stop();
        await worker.running;
      },
    };
  });
}

/** A worker that has done everything but begin. SIGUSR2 makes it the worker; its supervisor sends it at a death. */
export function runStandby(args: string[]): Promise<number> {
  return run('standby', args, async (config, logger, told, chores) => {
    const { prepareWorker } = await import('./worker-process.ts');
    const prepared = await prepareWorker(config, logger);
    const called = new Promise<'called'>((resolve) => process.once('SIGUSR2', () => resolve('called')));
    const stopped = told.then(() => 'stopped' as const);
    const worker = Promise.race([called, stopped]).then(async (what) => {
      if (what === 'stopped') return undefined;
      const running = await prepared.activate();
      sayReady(chores, readyFile(config.dataFolder, 'worker'));
      logger.info({ pid: process.pid }, 'a standby became the worker');
      return running;
    });
    return {
      ended: worker.then((running) => running?.running),
      async stop() {
        const running = await worker;
        if (running === undefined) return prepared.discard();
        running.stop();
        await running.running;
      },
    };
  });
}
