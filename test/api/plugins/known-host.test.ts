import { expect, test } from 'vitest';
import { createTestApp } from '../../support/test-app.ts';

test('only its addresses, localhost and its own names are answered; a page elsewhere cannot have them', async () => {
  const api = await createTestApp({ hostNames: ['api', 'Perdure.example.com'] });
  const known = [
    '127.0.0.1',
    '127.0.0.1:7700',
    '[::1]:7700',
    '10.1.2.3',
    'localhost:1',
    'LOCALHOST',
    'api:7700',
  ];
  for (const host of [...known, 'perdure.example.com'])
    expect([host, (await api.app.inject({ url: '/', headers: { host } })).statusCode]).toEqual([host, 200]);
  const unknown = [
    'evil.example',
    'evil.example:7700',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'a@127.0.0.1',
  ];
  for (const host of [...unknown, '127.0.0.1:7700.evil.example'])
    for (const url of [
      '/',
      '/docs',
      '/temporal',
      '/temporal-login',
      '/api/v1/health',
      '/api/v1/runs',
      '/nothing',
    ]) {
      const answer = await api.app.inject({ url, headers: { host, ...api.auth } });
      expect([host, url, answer.statusCode, answer.json().code]).toEqual([host, url, 421, 'HostUnknown']);
    }
  const { detail } = (await api.app.inject({ url: '/', headers: { host: 'evil.example' } })).json();
  expect(detail).toBe(
    'This server does not answer to the name evil.example: use its address, or put the name into PERDURE_HOST_NAMES.',
  );
});
