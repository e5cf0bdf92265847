// What is drawn of how a conversation is kept within the window of its model.
import type { Event } from '../../../workflows/contracts/event.ts';
import type { Pen } from './pen.ts';

export type ContextEvent = Extract<Event, { type: 'context-compaction-start' | 'context-compaction-end' }>;

export function drawContext({ note }: Pen, event: ContextEvent): void {
  switch (event.type) {
    case 'context-compaction-start': {
      const { tokens, window, refused } = event.payload;
      const why = refused
        ? 'the model found the conversation too long'
        : `the conversation has about ${tokens} tokens of the ${window} that the model takes`;
      return note(`${why}: it is summed up first`);
    }
    case 'context-compaction-end': {
      const { messages, tokensBefore, tokensAfter } = event.payload;
      return note(
        `a summary stands for ${messages} messages: about ${tokensBefore} tokens became ${tokensAfter}`,
      );
    }
  }
}
