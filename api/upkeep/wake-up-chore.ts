// Conversations that go on by themselves when their subagents have reported, or when the time to wait for them is over.
// What is due is read from rows, by one query over two partial indexes: no death of a process loses it, and a conversation's
// lock lets it go on once. A timer of Temporal would save at most the pause of the sweeper, and need a workflow for each
// conversation that waits and this look all the same, for the timers that were lost.
import type { Logger } from 'pino';
import { listToWake, noteRefused } from '../../activities/store/delegation/mailbox.ts';
import { Overtaken } from '../../activities/store/lifecycle/fire.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { wakeConversation } from '../verbs/fire-mailbox.ts';
import type { VerbParts } from '../verbs/verb.ts';
import { type Chore, eachOf } from './upkeep.ts';

// The next pass takes the rest.
const mostPerPass = 50;

export function createWakeUpChore({ parts, logger }: { parts: VerbParts; logger: Logger }): Chore {
  const { db } = parts.log;
  return {
    name: 'waking conversations',
    async act() {
      await eachOf(
        await listToWake(db, mostPerPass),
        async (conversation) => {
          try {
            await wakeConversation(parts, conversation);
          } catch (error) {
            // A person was faster.
            if (error instanceof Overtaken) return;
            if (error instanceof Failure && error.code === 'ConversationBusy') return;
            // Whatever it was: it holds up none behind it.
            await noteRefused(db, conversation.id);
            if (!(error instanceof Failure)) throw error;
            const detail = { conversationId: conversation.id };
            logger.warn(detail, `the conversation does not go on by itself yet: ${error.message}`);
          }
        },
        (error, item) => logger.error({ err: error, item }, 'the sweeper could not wake a conversation'),
      );
    },
  };
}
