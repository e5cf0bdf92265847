// The part of the client about dead letters.
import type { DeadLetterListView, DeadLetterView } from '../../workflows/contracts/system.ts';
import type { Transport } from './transport.ts';

export function deadLetterCalls({ json }: Transport) {
  const of = (id: string): string => `/dead-letters/${encodeURIComponent(id)}`;
  return {
    deadLetters: (query?: { limit?: number; cursor?: string }) =>
      json<DeadLetterListView>('GET', '/dead-letters', { query: { ...query } }),
    retryDeadLetter: (id: string) => json<DeadLetterView>('POST', `${of(id)}/retry`, { body: {} }),
    dropDeadLetter: (id: string) => json<DeadLetterView>('POST', `${of(id)}/drop`, { body: {} }),
  };
}
