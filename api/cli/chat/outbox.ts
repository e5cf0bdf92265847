// Sends what is typed, one message after the other. A message has one id however often it is sent, so that one whose
// answer was lost is not heard twice.
import { randomUUID } from 'node:crypto';
import type { StartRunBody } from '../../../workflows/contracts/run.ts';
import { type Client, ProblemError, Unreachable } from '../../client/client.ts';

export interface Outbox {
  send(text: string, whenBusy: 'steer' | 'queue'): Promise<void>;
  useModel(model: string): void;
  conversationId(): string | undefined;
}

interface OutboxInput {
  client: Client;
  first: Omit<StartRunBody, 'prompt' | 'conversationId'>;
  conversationId: string | undefined;
  signal: AbortSignal;
  /** The run at work, as far as it is known. */
  active(): string | undefined;
  /** The first message has opened it. */
  onConversation(id: string): void;
  onAccepted(runId: string): void;
  onRefused(text: string, why: string): void;
}

export function createOutbox(input: OutboxInput): Outbox {
  const { client, signal } = input;
  let { conversationId } = input;
  // What the next run that begins is told beside its message.
  let settings: Partial<StartRunBody> = input.first;
  let unsent: { text: string; messageId: string } | undefined;
  let last: Promise<void> = Promise.resolve();

  async function attempt(text: string, whenBusy: 'steer' | 'queue'): Promise<void> {
    const messageId = unsent?.text === text ? unsent.messageId : randomUUID();
    unsent = undefined;
    const opens = conversationId === undefined;
    const before = input.active();
    try {
      const accepted = await client.startRun(
        {
          ...settings,
          prompt: text,
          attended: true,
          messageId,
          ...(conversationId !== undefined && { conversationId, whenBusy }),
        },
        signal,
      );
      conversationId = accepted.conversationId;
      if (opens) input.onConversation(conversationId);
      input.onAccepted(accepted.id);
      // A run that was at work already has heard the message and none of the settings.
      if (accepted.id !== before) settings = {};
    } catch (error) {
      if (signal.aborted) return;
      unsent = { text, messageId };
      input.onRefused(text, whyOf(error));
    }
  }

  return {
    send(text, whenBusy) {
      const sent = last.then(() => attempt(text, whenBusy));
      // A message that ends in an odd error holds up none behind it.
      last = sent.catch(() => undefined);
      return sent;
    },
    useModel(model) {
      settings = { ...settings, model };
    },
    conversationId: () => conversationId,
  };
}

function whyOf(error: unknown): string {
  if (error instanceof Unreachable) return 'not sent, the server does not answer: Enter sends it again';
  if (!(error instanceof ProblemError)) throw error;
  const fields = (error.problem.fields ?? []).map(({ path, problem }) => ` ${path}: ${problem}.`);
  return `not sent: ${error.problem.detail}${fields.join('')}`;
}
