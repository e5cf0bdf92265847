// Which attachments a prompt has room for: whatever comes, the newest, and what was sent before changes seldom.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type StoredMessage, withinRequest } from '../../workflows/contracts/message.ts';

type Message = Pick<StoredMessage, 'parts'>;

const most = 100;

const sizes = fc.array(fc.array(fc.nat(60), { maxLength: 2 }), { maxLength: 30 });

function historyOf(given: number[][]): Message[] {
  return given.map((message) => ({
    parts: message.map((size) => ({ type: 'binary', mode: 'inline', name: 'a', content: 'a', size })),
  }));
}

const bytesOf = (history: Message[]): number[] =>
  history.map(({ parts = [] }) =>
    parts.reduce((sum, { size = 0, leftOut }) => sum + (leftOut ? 0 : size), 0),
  );
const total = (numbers: number[]): number => numbers.reduce((sum, each) => sum + each, 0);

test('what is kept fits, except where the newest alone does not; what goes is older than all that stays', () => {
  fc.assert(
    fc.property(sizes, (given) => {
      const history = historyOf(given);
      const whole = bytesOf(history);
      const kept = bytesOf(withinRequest(history, most));
      const newest = whole.findLast((bytes) => bytes > 0) ?? 0;
      expect(total(kept)).toBeLessThanOrEqual(Math.max(most, newest));
      const first = kept.findIndex((bytes) => bytes > 0);
      expect(kept).toEqual(whole.map((bytes, index) => (index < first ? 0 : bytes)));
      if (newest > 0) expect(first).toBeGreaterThanOrEqual(0);
      if (total(whole) <= most) expect(kept).toEqual(whole);
    }),
  );
});

test('a longer history begins as the shorter one did, but for once in every half of a request', () => {
  fc.assert(
    fc.property(sizes, (given) => {
      const history = historyOf(given);
      let changes = 0;
      for (let length = 1; length <= history.length; length += 1) {
        const before = withinRequest(history.slice(0, length - 1), most);
        const now = withinRequest(history.slice(0, length), most).slice(0, -1);
        if (JSON.stringify(before) !== JSON.stringify(now)) changes += 1;
      }
      expect(changes).toBeLessThanOrEqual(total(given.flat()) / (most / 2));
    }),
  );
});
