// The part of the client about what was said in runs and conversations.
import type { ContentView } from '../../workflows/contracts/input-part.ts';
import type { MessageListView, MessageView } from '../../workflows/contracts/message-view.ts';
import type { Transport } from './transport.ts';

interface PageQuery {
  limit?: number;
  cursor?: string;
}

export function messageCalls({ json }: Transport) {
  return {
    /** Stores a file that a message is to carry. */
    putContent: (file: Blob) => json<ContentView>('POST', '/contents', { file }),
    /** A run's own messages, in order; long texts are cut, `length` says how long they are. */
    runMessages: (runId: string, query?: PageQuery) =>
      json<MessageListView>('GET', `/runs/${encodeURIComponent(runId)}/messages`, { query: { ...query } }),
    /** One message with the whole of its text. */
    runMessage: (runId: string, messageId: string) =>
      json<MessageView>(
        'GET',
        `/runs/${encodeURIComponent(runId)}/messages/${encodeURIComponent(messageId)}`,
      ),
    /** Those of all runs of a conversation, in order. */
    conversationMessages: (id: string, query?: PageQuery) =>
      json<MessageListView>('GET', `/conversations/${encodeURIComponent(id)}/messages`, {
        query: { ...query },
      }),
  };
}
