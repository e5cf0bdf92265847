// The part of the client about conversations.
import type {
  AskBody,
  ChangeConversationBody,
  ConversationDetailView,
  ConversationListView,
  ConversationView,
  ForkBody,
  RegenerateBody,
  TurnListView,
} from '../../workflows/contracts/conversation.ts';
import type { EventListView, EventType } from '../../workflows/contracts/event.ts';
import type { FireBody, MailboxView } from '../../workflows/contracts/mailbox.ts';
import type { InterruptedView } from '../../workflows/contracts/receipt.ts';
import type { SendMessageBody, StartRunView } from '../../workflows/contracts/run.ts';
import type { FollowOptions } from './follow.ts';
import type { Transport } from './transport.ts';
import type { Watch } from './watch.ts';

type PageQuery = { limit?: number; cursor?: string };
type ConversationQuery = PageQuery & { archived?: boolean; metadata?: Record<string, string> };
type EventQuery = { after?: number | string; limit?: number; type?: EventType; kept?: boolean };

export function conversationCalls({ json }: Transport, watch: Watch) {
  const of = (id: string): string => `/conversations/${encodeURIComponent(id)}`;
  return {
    /** `metadata`: only those that have all of it. */
    conversations: ({ metadata, ...query }: ConversationQuery = {}) =>
      json<ConversationListView>('GET', '/conversations', {
        query: { ...query, ...(metadata && { metadata: JSON.stringify(metadata) }) },
      }),
    conversation: (id: string) => json<ConversationDetailView>('GET', of(id)),
    changeConversation: (id: string, body: ChangeConversationBody) =>
      json<ConversationView>('PATCH', of(id), { body }),
    turns: (id: string, query?: PageQuery) =>
      json<TurnListView>('GET', `${of(id)}/turns`, { query: { ...query } }),
    sendMessage: (id: string, body: SendMessageBody) =>
      json<StartRunView>('POST', `${of(id)}/messages`, { body }),
    fork: (id: string, body: ForkBody, signal?: AbortSignal) =>
      json<StartRunView>('POST', `${of(id)}/fork`, { body, ...(signal && { signal }) }),
    regenerate: (id: string, body: RegenerateBody, signal?: AbortSignal) =>
      json<StartRunView>('POST', `${of(id)}/regenerate`, { body, ...(signal && { signal }) }),
    ask: (id: string, body: AskBody) => json<StartRunView>('POST', `${of(id)}/ask`, { body }),
    mailbox: (id: string, query?: PageQuery & { pending?: boolean }) =>
      json<MailboxView>('GET', `${of(id)}/mailbox`, { query: { ...query } }),
    fire: (id: string, body: NonNullable<FireBody> = {}) =>
      json<StartRunView>('POST', `${of(id)}/fire`, { body }),
    interruptConversation: (id: string) => json<InterruptedView>('POST', `${of(id)}/interrupt`, { body: {} }),
    conversationEvents: (id: string, query?: EventQuery) =>
      json<EventListView>('GET', `${of(id)}/events`, { query: { ...query } }),
    /** Every run of the conversation as it happens; `after` counts in the conversation. It never ends by itself. */
    watchConversation: (id: string, options?: FollowOptions) =>
      watch(of(id), { numberOf: (event) => event.conversationSeq, isLast: () => false }, options),
  };
}
