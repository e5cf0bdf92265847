// What people change of a conversation: its title, its labels, whether it is archived, what its next runs go by.
import {
  changeConversation as change,
  findListed,
  toConversationView,
} from '../../activities/store/runs/conversations.ts';
import type { Write } from '../../activities/store/log/events.ts';
import type {
  ChangeConversationBody,
  ConversationSettings,
  ConversationView,
} from '../../workflows/contracts/conversation.ts';
import { Failure, found } from '../../workflows/contracts/failures.ts';
import { Metadata } from '../../workflows/contracts/run.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import type { Verb, VerbParts } from './verb.ts';

type Change = ChangeConversationBody & { conversationId: string };

export const changeConversation: Verb<Change, ConversationView> = async (
  parts,
  write,
  { tenantId },
  { conversationId, ...given },
) => {
  // On entry, as the message it stands for.
  const body = { ...given, ...(given.title !== undefined && { title: parts.redact(given.title) }) };
  const what = `conversation ${conversationId}`;
  const metadata = found(await change(write, tenantId, conversationId, body), what);
  if (!Metadata.safeParse(metadata).success)
    throw new Failure('InvalidInput', 'metadata would have more than 32 keys: take some away with null.');
  if (body.settings) await refuseUnusable(parts, write, tenantId, body.settings);
  return { body: toConversationView(found(await findListed(write.tx, tenantId, conversationId), what)) };
};

async function refuseUnusable(
  parts: VerbParts,
  write: Write,
  tenantId: string,
  settings: ConversationSettings,
): Promise<void> {
  await refuseUnknown(parts, write, tenantId, settings);
  if (settings.project) await parts.realPath(settings.project.path);
}
