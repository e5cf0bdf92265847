// What is configured for models over HTTP; that a call goes by it is in test/activities/step/model-config.test.ts.
import { expect, test } from 'vitest';
import { createTestApp } from '../support/test-app.ts';
import { perdure } from './cli/captured.ts';

test('a model is configured by version, listed, and taken away', async () => {
  const api = await createTestApp({ redact: (text) => text.replaceAll('hunter2hunter2', '[redacted]') });
  const config = { model: 'scripted/slow', temperature: 0.5, key: 'team-a', instructions: 'Be brief.' };
  const put = async (body: object): Promise<unknown[]> => {
    const answer = await api.ask('PUT', '/model-configs', body);
    const { code, detail, version } = answer.json();
    return [answer.statusCode, version ?? [code, detail]];
  };
  expect(await put({ ...config, version: 0 })).toEqual([200, 1]);
  const stale = ['VersionStale', 'The configuration of scripted/slow is not at version 0: read it again.'];
  expect(await put({ ...config, version: 0 })).toEqual([409, stale]);
  expect(await put({ model: config.model, temperature: 0, version: 1 })).toEqual([200, 2]);
  const listed = (await api.ask('GET', '/model-configs')).json();
  expect(listed.items).toEqual([
    {
      model: 'scripted/slow',
      temperature: 0,
      version: 2,
      changedAt: expect.any(String),
      changedBy: 'first (api)',
    },
  ]);
  expect(await put({ model: 'nobody/none', version: 0 })).toEqual([
    422,
    ['UnknownModel', expect.any(String)],
  ]);
  expect(await put({ model: 'scripted/hello', instructions: 'It is hunter2hunter2.', version: 0 })).toEqual([
    400,
    [...['InvalidInput', 'instructions holds a secret of this server, which no command and no model gets.']],
  ]);
  expect(await put({ model: 'scripted/hello', key: 'team-b', version: 0 })).toEqual([
    422,
    ['NotRunnable', 'There is no key team-b in the setting PERDURE_MODEL_KEYS; it names team-a.'],
  ]);
  const gone = (version: number) =>
    api.ask('DELETE', `/model-configs?model=scripted/slow&version=${version}`);
  expect([(await gone(1)).statusCode, (await gone(2)).statusCode]).toEqual([409, 204]);
});

test('the command line sets what is given, shows it and takes it away', async () => {
  const api = await createTestApp();
  const environment = { PERDURE_URL: await api.listen(), PERDURE_TOKEN: api.token };
  const call = async (...args: string[]): Promise<string> => {
    const called = perdure(['models', ...args], { environment });
    return `${await called.code} ${called.out()}${called.err()}`;
  };
  expect(await call('set', 'scripted/slow', '--temperature', '0.5')).toBe(
    '0 Configured for scripted/slow: temperature 0.5\n',
  );
  expect(await call('set', 'scripted/slow', '--key', 'team-a')).toBe(
    '0 Configured for scripted/slow: temperature 0.5, key team-a\n',
  );
  expect(await call()).toContain('\nConfigured for scripted/slow: temperature 0.5, key team-a\n');
  expect(await call('unset', 'scripted/slow')).toBe('0 Nothing is configured for scripted/slow any more.\n');
  expect(await call('unset', 'scripted/slow')).toBe('1 perdure: Nothing is configured for scripted/slow.\n');
});
