import { expect, test } from 'vitest';
import type { PolicyProfile, PolicyView } from '../../workflows/contracts/policy.ts';
import { builtInVersion, findProfile } from '../../workflows/policy/presets.ts';
import { createTestApp } from '../support/test-app.ts';
import { own } from './asked.ts';
import { startApi } from './cli/captured.ts';

const permissive = 'headless-permissive-sandbox';
const open: PolicyProfile = { ...own, id: 'open', rules: [{ effect: 'execute', decision: 'allow' }] };

test('a profile that allows by default is stored with what it requires, whichever way it comes', async () => {
  const api = await createTestApp();
  const requires = async (path: string, body: object, method: 'POST' | 'PUT' = 'POST') => {
    const answer = await api.ask(method, path, body);
    const { id, version } = answer.json<PolicyView>();
    const stored = (await api.ask('GET', `/policies/${id}?version=${version}`)).json<PolicyView>();
    expect([answer.json<PolicyView>().requires, answer.statusCode]).toEqual([
      stored.requires,
      method === 'POST' ? 201 : 200,
    ]);
    return [id, version, stored.requires];
  };
  expect(await requires('/policies', { profile: open })).toEqual(['open', 1, 'containment']);
  expect(await requires('/policies', { profile: own })).toEqual(['own', 1, undefined]);
  const more = { version: 1, profile: { ...open, id: 'own' } };
  expect(await requires('/policies/own', more, 'PUT')).toEqual(['own', 2, 'containment']);
  expect(await requires('/policies/own', { version: 2, profile: own }, 'PUT')).toEqual(['own', 3, undefined]);
  const copies = ['trusted-mount-autonomous', permissive, 'plan-readonly'];
  const copied = copies.map((id) => requires(`/policies/${id}/customise`, { id: `my-${id}` }));
  expect(await Promise.all(copied)).toEqual([
    ['my-trusted-mount-autonomous', 1, 'containment'],
    [`my-${permissive}`, 1, 'containment'],
    ['my-plan-readonly', 1, undefined],
  ]);
  const file = (await api.ask('GET', '/policies/trusted-mount-autonomous/yaml')).body;
  const yaml = file.replace('id: trusted-mount-autonomous', 'id: filed');
  expect(await requires('/policies', { yaml })).toEqual(['filed', 1, 'containment']);
  expect((await api.ask('GET', '/policies/filed/yaml')).body).toContain('\nrequires: containment\n');
  const wrong = await api.ask('POST', '/policies', { profile: { ...open, id: 'wrong', requires: 'luck' } });
  expect([wrong.statusCode, wrong.json().code]).toEqual([400, 'InvalidInput']);
});

test('a run and a message are refused with what to do, and one that accepts it says so wherever it is shown', async () => {
  const api = await createTestApp();
  const refused = await api.ask('POST', '/runs', { prompt: 'Go.', policy: permissive });
  expect([refused.statusCode, refused.headers['content-type'], refused.json()]).toEqual([
    422,
    expect.stringContaining('application/problem+json'),
    expect.objectContaining({
      code: 'ContainmentRequired',
      title: 'A sandbox that contains is required',
      detail:
        `The policy ${permissive} requires a sandbox that contains: it allows commands that no rule names, by rules[23] ` +
        '(allow execute: **). The sandbox mount contains nothing; a shell reaches what its user can, also the token’s ' +
        'file. Use another policy, or accept that for this run with acceptNoContainment: true ' +
        '(perdure run --accept-no-containment).',
      policies: [permissive],
      sandbox: 'mount',
    }),
  ]);
  expect((await api.ask('GET', '/runs')).json().items).toEqual([]);

  const body = { prompt: 'Go.', policy: permissive, acceptNoContainment: true };
  const { id, conversationId } = (await api.ask('POST', '/runs', body)).json();
  expect((await api.ask('GET', `/runs/${id}`)).json()).toMatchObject({ acceptNoContainment: true });
  expect((await api.ask('GET', `/runs/${id}/events`)).json().items[0].payload).toMatchObject({
    acceptNoContainment: true,
  });
  expect((await api.ask('GET', `/audit?runId=${id}`)).json().items).toMatchObject([
    { actor: 'first (api)', action: 'accept-no-containment', rule: permissive },
  ]);
  const messages = `/conversations/${conversationId}/messages`;
  const next = { prompt: 'And?', policy: permissive, whenBusy: 'queue' };
  expect((await api.ask('POST', messages, next)).json().code).toBe('ContainmentRequired');
  expect((await api.ask('POST', messages, { ...next, acceptNoContainment: true })).statusCode).toBe(202);
});

test('the command line lists the profiles with what they require', async () => {
  const { api, call } = await startApi();
  await api.ask('POST', '/policies', { profile: { ...open, name: 'All\u001b[2J of it' } });
  const called = call('policies');
  expect(await called.code).toBe(0);
  const lines = called.out().split('\n');
  expect([lines[0], lines.at(-2), lines.find((line) => line.startsWith(permissive))]).toEqual([
    expect.stringMatching(/^POLICY +VERSION +WHOSE +REQUIRES +APPLIES TO$/),
    expect.stringMatching(/^open +1 +own +containment +-$/),
    expect.stringMatching(/ built in +containment +-$/),
  ]);
  const json = call('policies', '--json');
  expect(await json.code).toBe(0);
  expect(JSON.parse(json.out())).toEqual((await api.ask('GET', '/policies?limit=200')).json());
});

test('what is said of a sandbox is what its driver says', async () => {
  const api = await createTestApp();
  expect((await api.ask('GET', '/sandboxes')).json()).toEqual({
    items: [
      {
        mode: 'mount',
        contains: { files: false, network: false, processes: false },
        reach: 'contains nothing; a shell reaches what its user can, also the token’s file',
        problem: null,
      },
    ],
  });
  expect((await api.ask('GET', '/policies/trusted-mount-autonomous')).json()).toEqual({
    ...findProfile('trusted-mount-autonomous'),
    description: expect.stringContaining('It contains nothing'),
    version: builtInVersion,
    builtIn: true,
  });
});
