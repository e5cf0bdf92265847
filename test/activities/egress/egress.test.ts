import { expect, test } from 'vitest';
import { publicEgress } from '../../../activities/egress/egress.ts';

const ask = (hostname: string): Promise<unknown> =>
  new Promise((resolve) => {
    publicEgress.resolve(hostname, (_error, addresses) => resolve(addresses));
  });

test('all who ask for one name at once are answered by one lookup, and the next asks anew', async () => {
  const [one, other] = await Promise.all([ask('localhost'), ask('localhost')]);
  expect(one).not.toEqual([]);
  expect(other).toBe(one);
  expect(await ask('localhost')).not.toBe(one);
});
