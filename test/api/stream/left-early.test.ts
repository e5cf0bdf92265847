import { once } from 'node:events';
import fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import type { KnownTokens } from '../../../api/known-tokens.ts';
import { createEventStreams } from '../../../api/stream/event-stream.ts';
import { createHub, type Hub } from '../../../api/stream/hub.ts';
import type { Topic } from '../../../api/stream/topics.ts';
import { createTestApp } from '../../support/test-app.ts';
import { startRun } from './streams.ts';

test('a reader that has left before its stream is there is followed nothing for', async () => {
  const api = await createTestApp();
  const run = await startRun(api);
  const { logger } = api.deps;
  const hub = createHub({ db: api.deps.log.db, tenantId: api.tenantId, logger });
  const followed: Topic[] = [];
  const tokens = { live: async (ids: string[]) => new Set(ids) } as Partial<KnownTokens> as KnownTokens;
  const follow: Hub['follow'] = (topic, ...of) => {
    followed.push(topic);
    return hub.follow(topic, ...of);
  };
  const streams = createEventStreams({ hub: { ...hub, follow }, tokens, logger });
  const app = fastify();
  onTestFinished(async () => {
    streams.close();
    hub.close();
    await app.close();
  });
  const asked = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  app.get('/', async (request, reply) => {
    asked.resolve();
    await once(reply.raw, 'close');
    const head = { seq: 1, floor: 0, ended: false };
    streams.open(request, reply, { topic: { kind: 'run', id: run.id }, head, after: 0, tokens: true });
    opened.resolve();
    return reply;
  });
  const leave = new AbortController();
  const reading = fetch(await app.listen({ port: 0, host: '127.0.0.1' }), { signal: leave.signal });
  await asked.promise;
  leave.abort();
  await expect(reading).rejects.toThrow();
  await opened.promise;
  expect(followed).toEqual([]);
});
