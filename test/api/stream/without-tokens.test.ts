// Readers that want whole messages: what they are spared, and that nothing else is lost to them.
import { expect, test } from 'vitest';
import { createClient } from '../../../api/client/client.ts';
import type { Event } from '../../../workflows/contracts/event.ts';
import type { StartRunView } from '../../../workflows/contracts/run.ts';
import { createTestApp, type TestApp } from '../../support/test-app.ts';
import { appendTexts, endOfRun, readStream, startRun } from './streams.ts';

async function stored(api: TestApp, run: StartRunView): Promise<Event[]> {
  const lines = await api.ask('GET', `/runs/${run.id}/events?format=jsonl`);
  return lines.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('a reader that wants no tokens has all else once and in order, of a run and of a conversation, wherever it begins', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const first = await startRun(api);
  await appendTexts(api, first, 3_000);
  await api.ask('POST', `/runs/${first.id}/steer`, { text: 'More.' });
  const quiet = (where: string, after: number): string => `${url}${where}?include=no-tokens&after=${after}`;
  const watching = readStream(quiet(first.streamUrl, 0), api.auth);
  const beside = readStream(`${url}${first.streamUrl}`, api.auth);
  await appendTexts(api, first, 20);
  await endOfRun(api, first);
  const second = await startRun(api, { conversationId: first.conversationId });
  const events = await stored(api, first);
  const kept = events.filter(({ type }) => type !== 'text-delta');
  expect(kept.map(({ type }) => type)).toEqual(['run-queued', 'steer-request', 'steer-response', 'run-end']);
  expect((await watching).frames.map(({ id, data }) => [id, data])).toEqual(
    kept.map((event) => [String(event.seq), event]),
  );
  expect((await beside).frames).toHaveLength(events.length);
  const later = await readStream(quiet(first.streamUrl, 2), api.auth);
  expect(later.frames.map(({ data }) => data)).toEqual(kept.slice(1));
  const conversation = quiet(`/api/v1/conversations/${first.conversationId}/stream`, 0);
  const whole = await readStream(conversation, api.auth, (frames) => frames.length === 5);
  expect(whole.frames.map(({ data }) => data)).toEqual([...kept, (await stored(api, second))[0]]);
  const watched: Event[] = [];
  const client = createClient({ url, token: api.token });
  for await (const event of client.watchRun(first.id, { tokens: false })) watched.push(event);
  expect(watched).toEqual(kept);
});
