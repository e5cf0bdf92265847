// The sandboxes there are, with what this machine gives them, and what a worker holds of them for its runs.
import path from 'node:path';
import type { Logger } from 'pino';
import { createGitBounds } from '../../activities/git/bounds.ts';
import { createDrivers } from '../../activities/sandbox/index.ts';
import { createRunSandboxes, type RunSandboxes } from '../../activities/sandbox/run-sandboxes.ts';
import type { SandboxDriver } from '../../activities/sandbox/sandbox.ts';
import type { Db } from '../../activities/store/db/database.ts';
import { handlesOf } from '../../activities/store/runs/attempts.ts';
import { type Background, createBackground } from '../../activities/tools/background.ts';
import { commandPath } from '../config/config.ts';

export function sandboxDrivers({ dataFolder }: { dataFolder: string }): SandboxDriver[] {
  return createDrivers({
    workFolder: path.join(dataFolder, 'work'),
    programs: commandPath(),
    gitBounds: createGitBounds({ folder: path.join(dataFolder, 'bounds') }),
  });
}

export function workerSandboxes(
  config: { dataFolder: string },
  db: Db,
  logger: Logger,
): { sandboxes: RunSandboxes; background: Background } {
  const sandboxes = createRunSandboxes({
    drivers: sandboxDrivers(config),
    onFailure: (error) => logger.warn({ err: error }, 'a sandbox was not let go of'),
  });
  const background = createBackground({
    ...sandboxes,
    handlesOf: (runId, callId) => handlesOf(db, { runId, unit: `call/${callId}` }),
  });
  return { sandboxes, background };
}
