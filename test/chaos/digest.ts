// A short name for what an event says, the same whether it was received or read from the table.
import { createHash } from 'node:crypto';
import type { Event } from '../../workflows/contracts/event.ts';

export function digestOf(event: Pick<Event, 'type' | 'payload' | 'stream' | 'seq' | 'attempt'>): string {
  const { stream, seq, type, attempt, payload } = event;
  return createHash('sha1')
    .update(JSON.stringify([stream, seq, type, attempt, sorted(payload)]))
    .digest('base64url');
}

/** Postgres keeps the fields of jsonb in an order of its own. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
