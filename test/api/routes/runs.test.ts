import { expect, test } from 'vitest';
import { createTestApp } from '../../support/test-app.ts';

test('an accepted run is stored, its workflow started, and it can be read', async () => {
  const { app, auth, told } = await createTestApp();
  const answer = await app.inject({
    method: 'POST',
    url: '/api/v1/runs',
    headers: auth,
    payload: { prompt: 'say hello', metadata: { ticket: 'A-1' } },
  });
  expect(answer.statusCode, answer.body).toBe(202);
  const started = answer.json<{ id: string; conversationId: string }>();
  expect(started).toEqual({
    id: expect.any(String),
    conversationId: expect.any(String),
    status: 'queued',
    streamUrl: `/api/v1/runs/${started.id}/stream`,
    eventsUrl: `/api/v1/runs/${started.id}/events`,
  });
  expect(told).toEqual([`started ${started.id}`]);
  const read = await app.inject({ url: `/api/v1/runs/${started.id}`, headers: auth });
  expect(read.json()).toMatchObject({ id: started.id, prompt: 'say hello', status: 'queued', parked: false });
  const events = await app.inject({ url: `/api/v1/runs/${started.id}/events`, headers: auth });
  expect(events.json().items.map((event: { type: string }) => event.type)).toEqual(['run-queued']);
});
