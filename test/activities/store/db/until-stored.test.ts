import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { untilStored } from '../../../../activities/store/db/until-stored.ts';

const hourMs = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Whether it is stored at the fourth try, an hour after each of the others. */
async function afterHours(code: string): Promise<string> {
  let tries = 0;
  return untilStored(async () => {
    tries += 1;
    if (tries === 4) return 'stored';
    vi.setSystemTime(Date.now() + hourMs);
    throw Object.assign(new Error(`it says ${code}`), { code });
  }).catch(() => 'given up');
}

test('a result waits for a full disk and for an outage of Postgres however long they last, and not so for a lock', async () => {
  const codes = ['53100', 'ENOSPC', 'EDQUOT', 'ECONNREFUSED', '57P03', '55P03', '25P03', '23505'];
  const found = await Promise.all(codes.map(async (code) => [code, await afterHours(code)]));
  expect(Object.fromEntries(found)).toEqual({
    '53100': 'stored',
    ENOSPC: 'stored',
    EDQUOT: 'stored',
    ECONNREFUSED: 'stored',
    '57P03': 'stored',
    '55P03': 'given up',
    '25P03': 'given up',
    '23505': 'given up',
  });
});
