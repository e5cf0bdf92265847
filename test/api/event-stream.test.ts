import { expect, test } from 'vitest';
import { createTestApp } from '../support/test-app.ts';
import { appendTexts, endOfRun, readStream, startRun } from './streams.ts';

test('a reader sees what is stored and what comes after, once each and in order', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const run = await startRun(api);
  await appendTexts(api, run, 5);
  const reading = readStream(`${url}${run.streamUrl}`, api.auth);
  await appendTexts(api, run, 20);
  await endOfRun(api, run);
  const { status, headers, frames } = await reading;
  expect(status).toBe(200);
  expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  expect(headers.get('cache-control')).toBe('no-cache, no-transform');
  expect(headers.get('x-accel-buffering')).toBe('no');
  const stored = await api.app.inject({ url: `${run.eventsUrl}?limit=1000`, headers: api.auth });
  expect(frames.map((frame) => frame.data)).toEqual(stored.json().items);
  expect(frames.map((frame) => frame.id)).toEqual(frames.map((_, index) => String(index + 1)));
  expect(frames.at(-1)?.event).toBe('run-end');
});
