// Where the commands of runs go: their sandboxes, and what goes on in them behind a call.
import type { Logger } from 'pino';
import { createRunSandboxes } from '../../activities/sandbox/run-sandboxes.ts';
import { sandboxDrivers } from './sandbox-drivers.ts';
import { createBackground } from '../../activities/tools/background.ts';
import { handlesOf } from '../../activities/store/runs/attempts.ts';
import type { Db } from '../../activities/store/db/database.ts';
import type { RoleConfig } from './deps.ts';

/** Closed by the caller: the commands before the sandboxes. */
export function openWorkplaces(config: RoleConfig, db: Db, logger: Logger) {
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
