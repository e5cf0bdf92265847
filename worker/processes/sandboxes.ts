// The sandboxes there are, with what this machine gives them, and what a worker holds of them for its runs.
import path from 'node:path';
import type { Logger } from 'pino';
import type { ActivityDeps } from '../../activities/deps.ts';
import { createGitBounds, gitRunsNothing } from '../../activities/git/bounds.ts';
import { createDrivers } from '../../activities/sandbox/index.ts';
import { withFiles } from '../../activities/sandbox/open-files.ts';
import { createRunSandboxes, type RunSandboxes } from '../../activities/sandbox/run-sandboxes.ts';
import type { SandboxDriver } from '../../activities/sandbox/sandbox.ts';
import type { ApiDeps } from '../../api/deps.ts';
import type { Db } from '../../activities/store/db/database.ts';
import type { StartNeeds } from '../../activities/store/lifecycle/start-run.ts';
import { handlesOf } from '../../activities/store/runs/attempts.ts';
import { type Background, createBackground } from '../../activities/tools/background.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { SandboxView } from '../../workflows/contracts/system.ts';
import { type CommandSurroundings, commandSurroundings, type Config } from '../config/config.ts';
import { folderKey } from '../machine.ts';

/** How a kind looks from outside, tried now. */
export async function toSandboxView(
  driver: SandboxDriver,
  run?: Parameters<SandboxDriver['probe']>[0],
): Promise<SandboxView> {
  const { mode, contains, reach } = driver;
  const usable = await driver.probe(run);
  return { mode, contains, reach, problem: usable.ok ? null : `${usable.why} ${usable.how}` };
}

/** Once at a worker's start: a limit that the machine does not hold is no secret. */
export async function logLacks(
  drivers: readonly SandboxDriver[],
  logger: Pick<Logger, 'info'>,
): Promise<void> {
  for (const { mode, probe } of drivers) {
    const usable = await probe();
    if (usable.ok && usable.lacks?.length)
      logger.info({ sandbox: mode, lacks: usable.lacks }, `the sandbox ${mode} goes without something here`);
  }
}

/** What a server says of its kinds; commands run elsewhere. */
export function sandboxViews(drivers: readonly SandboxDriver[]): Pick<ApiDeps, 'sandbox' | 'sandboxes'> {
  return {
    sandboxes: () => Promise.all(drivers.map((driver) => toSandboxView(driver))),
    async sandbox(mode, run) {
      const driver = drivers.find((one) => one.mode === mode);
      if (driver) return toSandboxView(driver, run);
      throw new Failure('SandboxUnavailable', `This server has no sandbox ${mode}.`);
    },
  };
}

// Long enough that many runs at once ask an engine once, short enough that one that has just started is found.
const bestMs = 10_000;

// The best comes first.
const containing = ['sandbox', 'bubblewrap'];

/** Tried once in a while. */
export function bestSandboxOf(drivers: readonly SandboxDriver[]): StartNeeds['bestSandbox'] {
  let known: { at: number; found: Promise<SandboxView | undefined> } | undefined;
  return async () => {
    if (known === undefined || performance.now() - known.at > bestMs)
      known = { at: performance.now(), found: firstUsable(drivers) };
    return known.found;
  };
}

async function firstUsable(drivers: readonly SandboxDriver[]): Promise<SandboxView | undefined> {
  for (const mode of containing) {
    const driver = drivers.find((one) => one.mode === mode);
    const view = driver && (await toSandboxView(driver));
    if (view?.problem === null) return view;
  }
  return undefined;
}

/** What the kinds are made from. */
export type SandboxConfig = Pick<Config, 'dataFolder' | 'sandbox'>;

/** The files of runs, without their sandboxes: what is kept from tools is kept from what looks at them. */
export function filesOfRuns(dataFolder: string): Pick<ActivityDeps, 'withFiles'> & { workFolder: string } {
  const { workFolder, hidden } = foldersOf(dataFolder);
  return { workFolder, withFiles: (root, mayUse, use) => withFiles(root, mayUse, use, hidden) };
}

function foldersOf(dataFolder: string) {
  return {
    workFolder: path.join(dataFolder, 'work'),
    viewFolder: path.join(dataFolder, 'view'),
    hidden: [dataFolder],
  };
}

const mebibyte = 2 ** 20;

/** Only a worker runs commands in them, and says with what around them. */
export function sandboxDrivers(
  { dataFolder, sandbox }: SandboxConfig,
  { programs, variables }: Pick<CommandSurroundings, 'programs' | 'variables'> = {
    programs: '',
    variables: {},
  },
): SandboxDriver[] {
  const gitBounds = createGitBounds({ folder: path.join(dataFolder, 'bounds') });
  return createDrivers({
    ...foldersOf(dataFolder),
    programs,
    variables,
    gitBounds,
    gitSettings: gitRunsNothing,
    docker: {
      // Looked up when a container is asked for: only looking at a folder must not write to it.
      get instance() {
        return folderKey(dataFolder);
      },
      address: sandbox.engine,
      image: sandbox.image,
      runtime: sandbox.runtime,
      most: sandbox.containers,
      limits: {
        memoryBytes: sandbox.memoryMegabytes * mebibyte,
        cpus: sandbox.processors,
        processes: sandbox.processes,
        diskBytes: sandbox.diskMegabytes * mebibyte,
      },
    },
  });
}

export function workerSandboxes(
  config: Config,
  db: Db,
  logger: Logger,
): { sandboxes: RunSandboxes; background: Background } {
  const sandboxes = createRunSandboxes({
    drivers: sandboxDrivers(config, commandSurroundings(config)),
    onFailure: (error) => logger.warn({ err: error }, 'a sandbox was not let go of'),
  });
  const background = createBackground({
    ...sandboxes,
    handlesOf: (runId, callId) => handlesOf(db, { runId, unit: `call/${callId}` }),
  });
  return { sandboxes, background };
}
