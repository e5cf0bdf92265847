import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openTestStore } from '../../../support/store.ts';
import { isDeeperThan, toStorableJson } from '../../../../activities/store/db/storable.ts';
import { toStorable } from '../../../../workflows/contracts/storable.ts';
import { isStorable } from '../../../../workflows/contracts/storable.ts';

const { database } = await openTestStore();

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  // Halves of pairs and NUL, and texts that only look like their escapes.
  fc
    .array(fc.constantFrom('\u0000', '\ud83d', '\ude00', '\\u0000', '\\ud83d', '"', '\\', 'a', '\u{1F600}'))
    .map((pieces) => pieces.join('')),
);

async function stored(text: string, json: string): Promise<{ text: string; json: unknown }> {
  const { rows } = await database.pool.query<{ text: string; json: unknown }>(
    'select $1::text as text, $2::jsonb as json',
    [text, json],
  );
  return rows[0] ?? { text: '', json: undefined };
}

test('any text and any JSON can be stored, and what could be stored before is left as it is', async () => {
  await fc.assert(
    fc.asyncProperty(anyText, fc.jsonValue(), async (text, value) => {
      const given = {
        text,
        value,
        deep: [{ [text]: [text] }],
      };
      const back = await stored(toStorable(text), toStorableJson(given));
      expect(back.text).toBe(toStorable(text));
      const intact = text.isWellFormed() && !text.includes('\u0000');
      if (intact) expect(back.text).toBe(text);
      if (intact && isStorable(value)) expect(back.json).toEqual(JSON.parse(JSON.stringify(given)));
    }),
    { numRuns: 300 },
  );
});

test('a value is storable exactly when storing changes nothing in it', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(isStorable({ text })).toBe(text.isWellFormed() && !text.includes('\u0000'));
    }),
  );
});

test('a value nested as deep as a text is long can be looked at', () => {
  const deep: unknown = JSON.parse(`${'['.repeat(200_000)}"\\u0000"${']'.repeat(200_000)}`);
  expect(isStorable(deep)).toBe(false);
  expect(isDeeperThan(200_000, deep)).toBe(false);
  expect(isDeeperThan(199_999, deep)).toBe(true);
  expect([isDeeperThan(0, 'a'), isDeeperThan(0, {}), isDeeperThan(0, { a: 1 })]).toEqual([
    false,
    false,
    true,
  ]);
});
