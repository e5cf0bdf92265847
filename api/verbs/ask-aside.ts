// What is asked beside the work of a conversation: side questions of people, and titles.
import { type Aside, startAside } from '../../activities/store/lifecycle/aside.ts';
import type { Starter } from '../../activities/store/lifecycle/start-run.ts';
import { isTitled, titleTokens, type Untitled } from '../../activities/store/lifecycle/titles.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { type SentMessage, toSent } from './send-message.ts';
import { actorOf, type Outcome, perform, type Verb, type VerbParts } from './verb.ts';

export const askAside: Verb<Pick<Aside, 'conversationId' | 'prompt'>, SentMessage> = (
  parts,
  write,
  caller,
  question,
) => ask(parts, write, actorOf(caller), { ...question, kind: 'aside' });

async function ask(
  parts: VerbParts,
  write: Write,
  starter: Starter,
  aside: Aside,
): Promise<Outcome<SentMessage>> {
  return toSent(parts, await startAside(write, parts, starter, aside));
}

/** In a transaction of its own; once for a conversation. */
export async function makeTitle(
  parts: VerbParts,
  { conversationId, tenantId, prompt }: Untitled,
): Promise<void> {
  await perform(parts.log, 'make-title', async (write) => {
    const starter = { tenantId, by: 'titles', requestId: `title/${conversationId}` };
    const title = { conversationId, prompt, kind: 'title' as const, maxOutputTokens: titleTokens };
    const asked = await ask(parts, write, starter, title);
    if (await isTitled(write.tx, conversationId, asked.body.id)) throw new Titled();
    return asked;
  });
}

/** Another was faster. */
export class Titled extends Error {}
