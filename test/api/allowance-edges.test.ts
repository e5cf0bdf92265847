import { beforeEach, expect, test } from 'vitest';
import { listUnclosed } from '../../activities/store/allowances/allowances.ts';
import { awayFromMidnight } from '../support/midnight.ts';
import { createTestApp } from '../support/test-app.ts';
import { change, pool, start, use } from './spending.ts';

beforeEach(awayFromMidnight);

const counts = [
  'runSeconds',
  'concurrentRuns',
  'dayRuns',
  'hourCalls',
  'tokens',
  'costMicros',
  'dayTokens',
  'dayCostMicros',
] as const;

test('every limit may be as large as numbers are exact, and one more is refused in a sentence that names it', async () => {
  const api = await createTestApp();
  const most = Number.MAX_SAFE_INTEGER;
  const limits = Object.fromEntries(counts.map((count) => [count, most]));
  expect((await change(api, { limits })).json().limits).toEqual({ ...limits, models: [] });
  const run = (await start(api)).json<{ id: string }>();
  await use(api, run, 1, most);
  expect((await pool(api)).used).toMatchObject({ costMicros: most, dayCostMicros: most });
  for (const count of counts) {
    // As it is written: in JavaScript the next number is the same as this one.
    for (const value of ['9007199254740992', '9007199254740993', '1e300', '-1', '0.5']) {
      const body = `{"name": "tenant", "version": 2, "reason": "A test.", "limits": {"${count}": ${value}}}`;
      const headers = { ...api.auth, 'content-type': 'application/json' };
      const answer = await api.app.inject({ method: 'PUT', url: '/api/v1/allowances', headers, body });
      expect([answer.statusCode, answer.json().code]).toEqual([400, 'InvalidInput']);
      const { detail } = answer.json();
      expect(detail).toMatch(
        new RegExp(`^limits\\.${count} is not valid: .+ Correct it and send the request again\\.$`),
      );
    }
  }
  expect((await pool(api)).version).toBe(2);
});

test.each([
  ['cancel', 'cancelled'],
  ['interrupt', 'interrupted'],
] as const)(
  '%s of a run that waits for a place ends it, and frees no place, for it had none',
  async (verb, status) => {
    const api = await createTestApp();
    await change(api, { limits: { concurrentRuns: 1 } });
    const [one, two, three] = [await start(api), await start(api), await start(api)].map((answer) =>
      answer.json<{ id: string }>(),
    ) as [{ id: string }, { id: string }, { id: string }];
    expect((await api.ask('POST', `/runs/${two.id}/${verb}`, {})).statusCode).toBe(202);
    expect((await api.ask('GET', `/runs/${two.id}`)).json()).toMatchObject({ status, costMicros: 0 });
    expect(api.told).toEqual([`started ${one.id}`]);
    expect((await pool(api)).used).toMatchObject({ concurrentRuns: 1, dayRuns: 3 });
    expect((await api.ask('GET', `/runs/${three.id}`)).json().status).toBe('queued');
    expect(await listUnclosed(api.database.db, 10)).toEqual([]);
    expect((await api.ask('GET', `/allowances/ledger?runId=${two.id}`)).json().items).toEqual([]);
    await api.ask('POST', `/runs/${one.id}/${verb}`, {});
    expect(api.told.slice(1)).toEqual([`started ${three.id}`]);
    expect((await pool(api)).used).toMatchObject({ concurrentRuns: 1, dayRuns: 3 });
  },
);

test('a message that interrupts a run nobody has taken up ends it and has its turn, and says when it waits', async () => {
  const api = await createTestApp();
  await change(api, { limits: { concurrentRuns: 1 } });
  const [one, waiting] = [(await start(api)).json(), (await start(api)).json()];
  const path = `/conversations/${waiting.conversationId}/messages`;
  const next = (await api.ask('POST', path, { prompt: 'This instead.', whenBusy: 'interrupt' })).json();
  expect((await api.ask('GET', `/runs/${waiting.id}`)).json()).toMatchObject({
    status: 'interrupted',
    reasonText: 'Interrupted before it started.',
  });
  expect((await api.ask('GET', `/runs/${next.id}`)).json()).toMatchObject({
    status: 'queued',
    parked: false,
    reasonText: 'It waits for a place: the allowance tenant has room for 1 at once.',
  });
  expect(api.told).toEqual([`started ${one.id}`]);
  const message = { prompt: 'And now this.', conversationId: one.conversationId, whenBusy: 'interrupt' };
  const last = (await start(api, message)).json();
  expect((await api.ask('GET', `/runs/${one.id}`)).json().status).toBe('interrupted');
  expect(api.told.slice(1)).toEqual([`started ${next.id}`]);
  await api.ask('POST', `/runs/${next.id}/cancel`, {});
  expect(api.told.slice(2)).toEqual([`started ${last.id}`]);
});
