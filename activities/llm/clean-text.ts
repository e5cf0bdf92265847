// Makes streamed text storable: a surrogate pair that a provider splits over two pieces is kept together.
import { toStorable } from '../../workflows/contracts/storable.ts';

export interface TextCleaner {
  push(piece: string): string;
  /** What was held back for the other half of a pair. */
  end(): string;
}

export function createTextCleaner(): TextCleaner {
  let held = '';
  return {
    push(piece) {
      const text = held + piece;
      const last = text.charCodeAt(text.length - 1);
      const split = last >= 0xd800 && last <= 0xdbff;
      held = split ? text.slice(-1) : '';
      return toStorable(split ? text.slice(0, -1) : text);
    },
    end() {
      const rest = toStorable(held);
      held = '';
      return rest;
    },
  };
}
