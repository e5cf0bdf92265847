// Removing what is past its time: a person asks for it; the schedule nightly-pruning does by itself. A row here; the sweeper carries it out in
// small batches, whatever dies meanwhile.
import { addAudit } from '../../activities/store/access/audit.ts';
import { addPruning, cutoffsOf, toPruningView } from '../../activities/store/retention/prunings.ts';
import type { PruneBody, PruningView } from '../../workflows/contracts/retention.ts';
import { actorOf, type Verb } from './verb.ts';

type Prune = NonNullable<PruneBody>;

export const prune: Verb<Prune, PruningView> = async (parts, write, caller, asked) => {
  const { tenantId, by } = actorOf(caller);
  const cutoffs = cutoffsOf(parts.retention, new Date(), asked);
  const pruning = await addPruning(write.tx, { tenantId, by, cutoffs });
  if (!pruning) throw new Error('A pruning of no night is there already.');
  await addAudit(write, [
    { tenantId, actor: by, action: 'prune', reason: 'asked for', detail: { id: pruning.id, cutoffs } },
  ]);
  return { body: toPruningView(pruning) };
};
