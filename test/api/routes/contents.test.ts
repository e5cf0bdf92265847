import { expect, test } from 'vitest';
import { createTestApp } from '../../support/test-app.ts';

test('content is given as it was stored, never as a page of ours', async () => {
  const bytes = Buffer.from('<script>alert(1)</script>');
  const key = 'a'.repeat(64);
  const api = await createTestApp({
    content: async (_tenantId, asked) => (asked === key ? { mediaType: 'text/html', bytes } : undefined),
  });
  const answer = await api.ask('GET', `/contents/${key}`);
  expect([answer.statusCode, answer.rawPayload]).toEqual([200, bytes]);
  expect(answer.headers).toMatchObject({
    'content-disposition': 'attachment',
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
  });
  expect((await api.ask('GET', `/contents/${'b'.repeat(64)}`)).statusCode).toBe(404);
  expect((await api.ask('GET', '/contents/..%2f..%2fetc%2fpasswd')).statusCode).toBe(400);
});
