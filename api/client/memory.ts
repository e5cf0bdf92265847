// The part of the client about what is kept for later runs.
import type { AddMemoryBody, MemoryListView, MemoryView } from '../../workflows/contracts/memory.ts';
import type { Transport } from './transport.ts';

interface MemoryQuery {
  limit?: number;
  cursor?: string;
  conversationId?: string;
  preset?: string;
  /** Only those that have one of these words. */
  find?: string;
}

export function memoryCalls({ json }: Transport) {
  return {
    memory: (query?: MemoryQuery) => json<MemoryListView>('GET', '/memory', { query: { ...query } }),
    addMemory: (body: AddMemoryBody) => json<MemoryView>('POST', '/memory', { body }),
    deleteMemory: (id: string) => json<undefined>('DELETE', `/memory/${encodeURIComponent(id)}`),
  };
}
