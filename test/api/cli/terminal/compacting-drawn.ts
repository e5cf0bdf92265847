// The events of a conversation that is summed up, each with what is drawn of it.
import type { EventPayload, EventType } from '../../../../workflows/contracts/event.ts';

type Compacting = Extract<EventType, 'part-end' | 'context-compaction-start' | 'context-compaction-end'>;

export const compacting: { [T in Compacting]: [payload: EventPayload<T>, shown: string] } = {
  'part-end': [
    {
      ...{ step: 1, name: 'plan.pdf', from: 'https://example.org/plan.pdf', mode: 'inline' },
      ...{ mediaType: 'application/pdf', size: 2048, problem: null },
    },
    '— attached https://example.org/plan.pdf · inline · 2.0 KB\n',
  ],
  'context-compaction-start': [
    { step: 6, tokens: 110_000, window: 128_000, refused: false },
    '— the conversation has about 110000 tokens of the 128000 that the model takes: it is summed up first\n',
  ],
  'context-compaction-end': [
    {
      ...{ step: 6, covers: { runId: '0199a5f0-6c1e-7000-8000-000000000001', step: 4 }, messages: 9 },
      ...{ tokensBefore: 110_000, tokensAfter: 30_000, wordsLeftOut: 0 },
    },
    '— a summary stands for 9 messages: about 110000 tokens became 30000\n',
  ],
};
