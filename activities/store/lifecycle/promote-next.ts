// A run has left its conversation: the next parked message gets its turn.
import { streamOf } from '../../../workflows/contracts/event.ts';
import { activeStatuses } from '../../../workflows/run/transitions.ts';
import { fullFor, waitsFor } from '../allowances/run-places.ts';
import type { Write } from '../log/events.ts';
import { rewoundIn } from '../runs/rewinds.ts';
import { parentFor, type RunRow } from '../runs/runs.ts';
import { moveHead } from './conversation.ts';

export async function promoteNext(write: Write, ended: RunRow): Promise<RunRow | undefined> {
  if (ended.kind !== 'main') return undefined;
  const next = await write.tx
    .selectFrom('runs')
    .selectAll()
    .where('conversation_id', '=', ended.conversation_id)
    .where('parked', '=', true)
    .where('status', '=', 'queued')
    // As they were accepted: one that began to wait for the lock first may have had it last.
    .orderBy('id')
    .limit(1)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!next) return undefined;
  // An active run may already be there when a parked one was cancelled: the index would refuse a second.
  const busy = await write.tx
    .selectFrom('runs')
    .select('id')
    .where('conversation_id', '=', ended.conversation_id)
    .where('kind', '=', 'main')
    .where('parked', '=', false)
    .where('status', 'in', activeStatuses)
    .executeTakeFirst();
  if (busy) return undefined;
  const parentId = await parentOfParked(write, next);
  // Before its turn, so that only other runs count as waiting.
  const full = await fullFor(write.tx, { id: next.id, tenantId: next.tenant_id });
  const rewound = next.project_path === null ? undefined : await rewoundIn(write.tx, next.conversation_id);
  const promoted = await write.tx
    .updateTable('runs')
    .set({ parked: false, parent_id: parentId, reason_text: waitsFor(full, rewound) })
    .where('id', '=', next.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  write.append({
    tenantId: next.tenant_id,
    stream: streamOf('run', next.id),
    conversationId: next.conversation_id,
    events: [{ type: 'run-ready', payload: { after: ended.id, parentId } }],
  });
  return promoted;
}

/** One that a message named is settled, and so is that of a run that answers again what another one answered. */
async function parentOfParked(
  write: Write,
  { tenant_id: tenantId, conversation_id: conversationId, ...next }: RunRow,
): Promise<string | null> {
  if (next.alternative_of !== null) return next.parent_id;
  if (next.parent_id === null) return parentFor(write.tx, tenantId, conversationId);
  await moveHead(write, conversationId, next.parent_id);
  return next.parent_id;
}
