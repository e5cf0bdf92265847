// The nightly pruning, and carrying out those that people asked for: a slice of it with each pass of the sweeper, so
// that no start waits behind it. What one night cannot do, the next passes do.
import type { Logger } from 'pino';
import { pruneBatch } from '../../activities/store/retention/prunings.ts';
import type { Sweeps } from '../../activities/store/retention/sweeps.ts';
import { pruneNight } from '../verbs/prune.ts';
import { type Caller, perform, type VerbParts } from '../verbs/verb.ts';
import type { Chore } from './upkeep.ts';

// In UTC: when the fewest people work, in more places than at any other hour. A server that is off then does it at its
// next start.
const nightHour = 3;
// A fifth of the time between two passes.
const sliceMs = 1000;

const hourMs = 3_600_000;

export interface PruneChoreInput {
  parts: VerbParts;
  sweeps: Sweeps;
  tenantId: string;
  logger: Logger;
  now?(): Date;
}

export function createPruneChore({
  parts,
  sweeps,
  tenantId,
  logger,
  now = () => new Date(),
}: PruneChoreInput): Chore {
  const { log } = parts;
  const caller: Caller = { tenantId, name: 'retention', surface: 'nightly', requestId: 'retention' };
  let asked: string | undefined;

  async function askTonight(): Promise<void> {
    const night = new Date(now().getTime() - nightHour * hourMs).toISOString().slice(0, 10);
    if (night === asked) return;
    await perform(log, 'prune-night', (write) => pruneNight(parts, write, caller, { night }));
    asked = night;
  }

  return {
    name: 'pruning',
    async act() {
      await askTonight();
      const until = Date.now() + sliceMs;
      const onFailure = (error: unknown, name: string): void =>
        logger.error({ err: error }, `${name} could not be pruned; the next night tries again`);
      while (Date.now() < until && (await pruneBatch(log.db, sweeps, onFailure)));
    },
  };
}
