import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { untilStored } from '../../../../activities/store/db/until-stored.ts';

const hourMs = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'Date'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const failing = (code: string) => async () => {
  throw Object.assign(new Error(`it says ${code}`), { code });
};

/** Whether it has been given up after an hour. */
async function afterAnHour(code: string): Promise<'waits' | 'gave up'> {
  let gaveUp = false;
  untilStored(failing(code)).catch(() => {
    gaveUp = true;
  });
  await vi.advanceTimersByTimeAsync(hourMs);
  return gaveUp ? 'gave up' : 'waits';
}

test('a result waits for a full disk and for an outage of Postgres however long they last, for a lock two minutes', async () => {
  const codes = ['53100', 'ENOSPC', 'EDQUOT', 'ECONNREFUSED', '57P03', '55P03', '25P03', '23505'];
  const found = await Promise.all(codes.map(async (code) => [code, await afterAnHour(code)]));
  expect(Object.fromEntries(found)).toEqual({
    '53100': 'waits',
    ENOSPC: 'waits',
    EDQUOT: 'waits',
    ECONNREFUSED: 'waits',
    '57P03': 'waits',
    '55P03': 'gave up',
    '25P03': 'gave up',
    '23505': 'gave up',
  });
});
