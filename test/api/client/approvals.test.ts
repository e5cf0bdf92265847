// The client's calls about approvals against the real API: what is sent is what the routes take.
import { expect, test } from 'vitest';
import { createClient } from '../../../api/client/client.ts';
import { startApi } from '../cli/captured.ts';
import { asks, question, waitingRun } from '../cli/waiting.ts';

test('every call about approvals reaches its route, as whoever the client speaks for', async () => {
  const { api, url } = await startApi();
  const client = createClient({ url, token: api.token, surface: 'page' });
  const weigh = { kind: 'result' as const, text: 'weigh', choices: [] };
  const own = { tool: 'weigh', decision: 'ask' as const, asks: weigh };
  const run = await waitingRun(api, [asks('make'), asks('make install'), question('Which one?'), own]);
  const [make, install, which] = run.approvals.map(({ id }) => id) as [string, string, string];
  const open = await client.approvals({ runId: run.id, status: 'open', limit: 2 });
  expect([open.items.length, open.nextCursor]).toEqual([2, expect.any(String)]);
  const rest = await client.approvals({ runId: run.id, cursor: open.nextCursor ?? '' });
  expect(rest.items.map(({ id }) => id)).toEqual([install, make]);
  expect(await client.approval(make)).toMatchObject({ id: make, status: 'open', subject: 'make' });
  expect(await client.approve(make)).toMatchObject({ status: 'approved', decidedBy: 'first (page)' });
  expect(await client.deny(install, { note: 'No.' })).toMatchObject({ status: 'denied', note: 'No.' });
  expect(await client.approve(which, { input: { answer: 'red' } })).toMatchObject({ status: 'approved' });
  expect(await client.bringResults(run.id, { results: [{ callId: '1.3', output: '3 kg' }] })).toEqual({
    items: [{ callId: '1.3' }],
  });
  expect((await client.calls(run.id)).items.map(({ status, output }) => [status, output])).toEqual([
    ['requested', null],
    ['denied', 'Denied by first (page): No.'],
    ['succeeded', 'red'],
    ['succeeded', '3 kg'],
  ]);
});
