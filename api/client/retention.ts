// The part of the client about what is kept: what would go, prunings, and deleting runs and conversations.
import type {
  DeletedView,
  PruneBody,
  PrunePlanView,
  PruningView,
} from '../../workflows/contracts/retention.ts';
import type { Transport } from './transport.ts';

export function retentionCalls({ json }: Transport) {
  return {
    /** What is kept how long, and what a pruning would remove now. */
    prunePlan: (query?: NonNullable<PruneBody>) =>
      json<PrunePlanView>('GET', '/prune', { query: { ...query } }),
    /** It is carried out in the background, also after a restart. */
    prune: (body: NonNullable<PruneBody>) => json<PruningView>('POST', '/prune', { body }),
    pruning: (id: string) => json<PruningView>('GET', `/prune/${encodeURIComponent(id)}`),
    deleteRun: (id: string) => json<DeletedView>('DELETE', `/runs/${encodeURIComponent(id)}`),
    deleteConversation: (id: string) =>
      json<DeletedView>('DELETE', `/conversations/${encodeURIComponent(id)}`),
  };
}
