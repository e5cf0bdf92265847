// Going on with what subagents have reported: by request, and by itself where the conversation says so.
import { fire, wakeUp } from '../../activities/store/lifecycle/fire.ts';
import type { ToWake } from '../../activities/store/delegation/mailbox.ts';
import type { Keep } from '../../activities/store/delegation/reports.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { type SentMessage, toSent } from './send-message.ts';
import { actorOf, perform, type Verb, type VerbParts } from './verb.ts';

export interface Firing {
  conversationId: string;
  prompt?: string | undefined;
}

export const fireMailbox: Verb<Firing, SentMessage> = async (parts, write, caller, firing) => {
  const starter = actorOf(caller);
  const accepted = await fire(write, parts, starter, firing, keeping(parts, write, starter.tenantId));
  return toSent(parts, accepted);
};

/** In a transaction of its own. Throws where there is nothing to wake any more. */
export async function wakeConversation(parts: VerbParts, conversation: ToWake): Promise<void> {
  await perform(parts.log, 'wake-up', async (write) => {
    const keep = keeping(parts, write, conversation.tenantId);
    return toSent(parts, await wakeUp(write, parts, conversation, keep));
  });
}

export function keeping({ keepContent }: VerbParts, { tx }: Write, tenantId: string): Keep {
  return (mediaType, bytes) => keepContent(tx, tenantId, mediaType, bytes);
}
