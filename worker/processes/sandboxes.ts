// The sandboxes there are, with what this machine gives them, and what a worker holds of them for its runs.
import path from 'node:path';
import type { Logger } from 'pino';
import { createGitBounds } from '../../activities/git/bounds.ts';
import { createDrivers } from '../../activities/sandbox/index.ts';
import { createRunSandboxes, type RunSandboxes } from '../../activities/sandbox/run-sandboxes.ts';
import type { SandboxDriver } from '../../activities/sandbox/sandbox.ts';
import type { ApiDeps } from '../../api/deps.ts';
import type { Db } from '../../activities/store/db/database.ts';
import { handlesOf } from '../../activities/store/runs/attempts.ts';
import { type Background, createBackground } from '../../activities/tools/background.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { SandboxView } from '../../workflows/contracts/system.ts';
import { type CommandSurroundings, commandSurroundings, type Config } from '../config/config.ts';

/** How a kind looks from outside, tried now. */
export async function toSandboxView(driver: SandboxDriver): Promise<SandboxView> {
  const { mode, contains, reach } = driver;
  const usable = await driver.probe();
  return { mode, contains, reach, problem: usable.ok ? null : `${usable.why} ${usable.how}` };
}

/** What a server says of its kinds; commands run elsewhere. */
export function sandboxViews(drivers: readonly SandboxDriver[]): Pick<ApiDeps, 'sandbox' | 'sandboxes'> {
  return {
    sandboxes: () => Promise.all(drivers.map(toSandboxView)),
    async sandbox(mode) {
      const driver = drivers.find((one) => one.mode === mode);
      if (driver) return toSandboxView(driver);
      throw new Failure('SandboxUnavailable', `This server has no sandbox ${mode}.`);
    },
  };
}

/** Only a worker runs commands in them, and says with what around them. */
export function sandboxDrivers(
  { dataFolder }: Pick<Config, 'dataFolder'>,
  { programs, variables }: Pick<CommandSurroundings, 'programs' | 'variables'> = {
    programs: '',
    variables: {},
  },
): SandboxDriver[] {
  const gitBounds = createGitBounds({ folder: path.join(dataFolder, 'bounds') });
  return createDrivers({
    workFolder: path.join(dataFolder, 'work'),
    viewFolder: path.join(dataFolder, 'view'),
    hidden: [dataFolder],
    programs,
    variables,
    gitBounds,
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
