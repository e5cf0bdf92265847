// Titles of conversations, made once their first run has answered: nothing waits for one. A scripted model has none to give.
import type { Logger } from 'pino';
import { listUntitled } from '../../activities/store/lifecycle/titles.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { makeTitle, Titled } from '../verbs/ask-aside.ts';
import type { VerbParts } from '../verbs/verb.ts';
import { type Chore, eachOf } from './upkeep.ts';

// The next pass takes the rest.
const mostPerPass = 20;

export interface TitleChoreInput {
  parts: VerbParts;
  /** Providers whose models have none to give. */
  scripted: readonly string[];
  logger: Logger;
}

export function createTitleChore({ parts, scripted, logger }: TitleChoreInput): Chore {
  return {
    name: 'making titles',
    async act() {
      await eachOf(
        await listUntitled(parts.log.db, { without: scripted, limit: mostPerPass }),
        async (conversation) => {
          try {
            await makeTitle(parts, conversation);
          } catch (error) {
            if (error instanceof Titled) return;
            if (!(error instanceof Failure)) throw error;
            // It has the first one; for some minutes this comes again.
            const detail = { conversationId: conversation.conversationId };
            logger.debug(detail, `no title was made: ${error.message}`);
          }
        },
        (error, item) => logger.error({ err: error, item }, 'the sweeper could not make a title'),
      );
    },
  };
}
