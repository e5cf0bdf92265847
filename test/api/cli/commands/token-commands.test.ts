// `perdure tokens` against the real API.
import { expect, test } from 'vitest';
import { perdure, startApi } from '../captured.ts';

test('a token is made, its value alone on stdout, listed without it, and revoked by its name', async () => {
  const { api, url, call } = await startApi();
  const created = call('tokens', 'create', 'ci', '--expires-in-days', '30');
  expect(await created.code).toBe(0);
  expect(created.out()).toMatch(/^pdr_[\w-]{43}\n$/);
  expect(created.err()).toMatch(
    /^ci counts until \d{4}-\S+Z\. Keep the value now: it is shown this once and .*\n$/,
  );
  const environment = { PERDURE_URL: url, PERDURE_TOKEN: created.out().trim() };
  const byCi = perdure(['tokens', 'create', 'made by ci', '--json'], { environment });
  expect([await byCi.code, JSON.parse(byCi.out())]).toEqual([
    0,
    expect.objectContaining({ name: 'made by ci', createdBy: 'ci (cli)', expiresAt: null }),
  ]);
  const listed = call('tokens');
  expect(await listed.code).toBe(0);
  const rows = listed
    .out()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  // A use is written down a few seconds after it, which a slow test sees.
  const used = expect.stringMatching(/^(never|\d{4}-\S+Z)$/);
  expect(rows.map((row) => [row[1], row[2], row[4], row[6]])).toEqual([
    ['NAME', 'STATE', 'BY', 'LAST USED'],
    ['made by ci', 'usable', 'ci (cli)', 'never'],
    ['ci', 'usable', 'first (cli)', used],
    ['first', 'usable', 'first start', used],
    Array.from({ length: 4 }),
  ]);
  expect(listed.out()).not.toContain('pdr_');
  const revoked = call('tokens', 'revoke', 'ci');
  expect([await revoked.code, revoked.out(), revoked.err()]).toEqual([0, 'ci is revoked\n', '']);
  const again = call('tokens', 'revoke', 'ci');
  expect([await again.code, again.err()]).toEqual([
    2,
    'perdure: There is no token called ci; `perdure tokens` lists them.\n',
  ]);
  const refused = perdure(['tokens'], { environment });
  expect(await refused.code).toBe(1);
  expect(refused.err()).toMatch(
    /^perdure: A valid token is needed: .*\n {2}Pass --token-file or PERDURE_TOKEN;/,
  );
  const whole = async (): Promise<unknown> => (await api.ask('GET', '/tokens?all=true')).json();
  const before = await whole();
  const all = call('tokens', 'list', '--all', '--json');
  expect(await all.code).toBe(0);
  // The uses so far are written down once, which may be between two of these looks.
  expect([before, await whole()]).toContainEqual(JSON.parse(all.out()));
});

test('the token of the data folder is revoked with a warning, and bad input names its field', async () => {
  const { call } = await startApi();
  const wrong = call('tokens', 'create', 'ci (page)');
  expect(await wrong.code).toBe(2);
  expect(wrong.err()).toMatch(/^perdure: name is not valid: .*\n {2}name: must begin with a letter or digit/);
  expect(await call('tokens', 'create', 'ci', '--expires-in-days', '0').code).toBe(2);
  expect(await call('tokens', 'create', 'other').code).toBe(0);
  const revoked = call('tokens', 'revoke', 'first');
  expect([await revoked.code, revoked.out()]).toEqual([0, 'first is revoked\n']);
  expect(revoked.err()).toMatch(/used this token: `perdure tokens remake`, .*makes another for them\.\n$/);
});
