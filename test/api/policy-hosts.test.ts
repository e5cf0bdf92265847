// Lists of hosts under a name, as policies that are being saved take them.
import { expect, test } from 'vitest';
import { createTestApp } from '../support/test-app.ts';

const rule = { effect: 'network', decision: 'allow' } as const;
const profile = {
  ...{ id: 'builder', name: 'Builder', description: 'Builds.', mode: 'default', stall: null },
  limits: { steps: 10, seconds: 60, costMicros: 1000 },
  rules: [{ ...rule, hosts: ['docs.example.org', '@packages', 'packages.example.org'] }],
};

test('a rule names a list of the setting networks, and the saved policy has its hosts, once each', async () => {
  const api = await createTestApp();
  const hosts = ['docs.example.org', 'packages.example.org', '*.files.example.org'];
  const made = await api.ask('POST', '/policies', { profile });
  expect([made.statusCode, made.json().rules]).toEqual([201, [{ ...rule, hosts }]]);
  const yaml = JSON.stringify({ ...profile, rules: [{ ...rule, hosts: ['@packages'] }] });
  const changed = await api.ask('PUT', '/policies/builder', { yaml, version: 1 });
  expect(changed.json().rules).toEqual([{ ...rule, hosts: hosts.slice(1) }]);
});

test('a name that no list has is refused with those there are', async () => {
  const api = await createTestApp();
  const wrong = { ...profile, rules: [{ ...rule, hosts: ['@package'] }] };
  const why = 'Rule 1: no list of hosts is called @package; there are @packages.';
  const answers = [
    await api.ask('POST', '/policies', { profile: wrong }),
    await api.ask('POST', '/policies', { yaml: JSON.stringify(wrong) }),
  ].map((answer) => [answer.statusCode, answer.json().detail]);
  expect(answers).toEqual([
    [400, why],
    [400, `Line 1: ${why}`],
  ]);
});

test('a draft is checked as it would be saved', async () => {
  const api = await createTestApp();
  const check = async (hosts: string[]) => {
    const draft = { ...profile, rules: [{ ...rule, hosts }] };
    const calls = [{ tool: 'fetch', input: { url: 'https://packages.example.org/x' } }];
    const answer = await api.ask('POST', '/policies/evaluate', { draft, calls });
    return answer.statusCode === 200 ? answer.json().items[0].decision.decision : answer.json().detail;
  };
  expect([await check(['@packages']), await check(['@none'])]).toEqual([
    'allow',
    'Rule 1: no list of hosts is called @none; there are @packages.',
  ]);
});
