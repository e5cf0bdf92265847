// Reading the manifest of schedules again: it may lie in a checkout that another program pulls.
import { perform } from '../verbs/verb.ts';
import type { Caller, VerbParts } from '../verbs/verb.ts';
import { syncSchedules } from '../verbs/sync-schedules.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { Logger } from 'pino';
import type { Chore } from './upkeep.ts';

// Soon enough for a change that was pulled; POST /schedules/sync does it at once.
const everyMs = 300_000;

export interface ManifestChoreInput {
  parts: VerbParts;
  tenantId: string;
  logger: Logger;
}

export function createManifestChore({ parts, tenantId, logger }: ManifestChoreInput): Chore {
  const caller: Caller = { tenantId, name: 'manifest', surface: 'refresh', requestId: 'manifest' };
  let next = 0;
  let logged: string | undefined;
  return {
    name: 'reading the manifest of schedules',
    async act() {
      if (performance.now() < next) return;
      try {
        await perform(parts.log, 'sync-manifest', (write) =>
          syncSchedules(parts, write, caller, { manifest: undefined }),
        );
        logged = undefined;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        // What is wrong stays wrong until a person mends it: said once.
        if (logged !== error.message)
          logger.error(`the manifest of schedules changes nothing: ${error.message}`);
        logged = error.message;
      }
      next = performance.now() + everyMs;
    },
  };
}
