// What people keep for later runs, and what they take back of it.
import * as store from '../../activities/store/presets/memory.ts';
import { findConversation } from '../../activities/store/runs/conversations.ts';
import { found } from '../../workflows/contracts/failures.ts';
import type { AddMemoryBody, MemoryView } from '../../workflows/contracts/memory.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import { actorOf, type Verb } from './verb.ts';

export const addMemory: Verb<AddMemoryBody, MemoryView> = async (
  parts,
  write,
  caller,
  { text, ...keeper },
) => {
  const { tenantId } = caller;
  const [scope, key] =
    'preset' in keeper
      ? (['preset', keeper.preset] as const)
      : (['conversation', keeper.conversationId] as const);
  if (scope === 'preset') await refuseUnknown(parts, write, tenantId, { preset: key });
  else found(await findConversation(write.tx, tenantId, key), `conversation ${key}`);
  const { by } = actorOf(caller);
  const row = await store.keepMemory(write, { tenantId, scope, key, text: parts.log.redact(text), by });
  return { body: store.toMemoryView(row) };
};

export const deleteMemory: Verb<{ id: string }, undefined> = async (_parts, write, caller, { id }) => {
  const gone = await store.deleteMemory(write, actorOf(caller), id);
  found(gone || undefined, `memory ${id}`);
  return { body: undefined };
};
