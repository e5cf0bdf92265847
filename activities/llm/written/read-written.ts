// A model whose server may leave thoughts and calls in the text of its answers: they are read as what they are.
import type { Llm, LlmPart } from '../llm.ts';
import { createWrittenReader, type WrittenPart } from './reader.ts';

export function readWritten(llm: Llm): Llm {
  return {
    ...llm,
    async *stream(request, signal): AsyncGenerator<LlmPart> {
      const reader = createWrittenReader(request.tools);
      let calls = 0;
      let written = 0;
      function toPart(part: WrittenPart): LlmPart {
        if (part.type !== 'call') return part;
        written += 1;
        return { type: 'call', call: { id: `written_${written}`, ...part.call } };
      }
      for await (const part of llm.stream(request, signal)) {
        if (part.type === 'text') {
          yield* reader.push(part.text).map(toPart);
          continue;
        }
        if (part.type === 'call') calls += 1;
        if (part.type !== 'finish') {
          yield part;
          continue;
        }
        yield* reader.end(calls > 0).map(toPart);
        const reads = written > 0 && part.reason !== 'length';
        yield reads ? { ...part, reason: 'calls' } : part;
      }
    },
  };
}
