// `perdure webhooks` against the real API and an endpoint on loopback.
import { expect, test } from 'vitest';
import { localSender, openEndpoint } from '../../../support/hook-endpoint.ts';
import { startApi } from '../captured.ts';

test('a webhook is added with its secret alone on stdout, tried, listed, switched, given another secret and removed', async () => {
  const endpoint = await openEndpoint();
  const { call } = await startApi({ webhookSender: localSender(endpoint) });
  const does = async (...words: string[]): Promise<[number, string, string]> => {
    const called = call('webhooks', ...words);
    return [await called.code, called.out().trimEnd(), called.err().trimEnd()];
  };
  expect(await does()).toEqual([0, 'There are none; `perdure webhooks add` makes one.', '']);
  const added = await does('add', endpoint.url, '--name', 'build-server', '--types', 'run-end,dead-letter');
  expect(added).toEqual([
    0,
    expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
    expect.stringContaining('build-server is told of run-end, dead-letter events.'),
  ]);
  expect(await does('add', endpoint.url, '--types', 'text-delta')).toMatchObject([
    2,
    '',
    expect.stringContaining('Each must be a type that `perdure help events` lists.'),
  ]);
  expect(await does('test', 'build-server')).toEqual([
    0,
    expect.stringMatching(/^build-server answered 204 after \d+ ms$/),
    '',
  ]);
  endpoint.answers((_got, response) => response.writeHead(500).end());
  const [code, out, err] = await does('test', 'build-server');
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain('build-server: It answered 500.');
  const [, list] = await does('list');
  expect(list.split('\n').at(-1)?.trim().split(/ {2,}/).slice(1)).toEqual([
    'build-server',
    endpoint.url,
    'run-end, dead-letter',
    'on',
    '0',
    '0',
    'never',
  ]);
  expect(await does('deliveries', 'build-server')).toEqual([0, 'There are none yet.', '']);
  expect(await does('redeliver', 'build-server')).toEqual([0, '0 of build-server are sent again', '']);
  expect(await does('disable', 'build-server')).toEqual([0, 'build-server is off', '']);
  const [, shown] = await does('show', 'build-server', '--json');
  expect(JSON.parse(shown)).toMatchObject({ enabled: false, version: 2 });
  expect(shown).not.toContain('whsec_');
  const [, rotated] = await does('rotate', 'build-server');
  expect(rotated).toMatch(/^whsec_/);
  expect(rotated).not.toBe(added[1]);
  expect(await does('remove', 'build-server')).toEqual([0, 'build-server is removed', '']);
  expect(await does('show', 'build-server')).toEqual([
    2,
    '',
    'perdure: There is no webhook called build-server; `perdure webhooks list` lists them.',
  ]);
});
