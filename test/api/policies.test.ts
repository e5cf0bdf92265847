import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { PolicyView } from '../../workflows/contracts/policy.ts';
import { builtInProfiles, builtInVersion, findProfile } from '../../workflows/policy/presets.ts';
import { storeOver } from '../support/store.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { own, reviewed } from './asked.ts';
import { endOfRun, startRun } from './stream/streams.ts';

interface Facts {
  code?: string;
  detail?: string;
}

/** Status, code and sentence of what was refused. */
async function refusal(asked: ReturnType<TestApp['ask']>): Promise<[number, string?, string?]> {
  const answer = await asked;
  const { code, detail } = answer.json<Facts>();
  return [answer.statusCode, code, detail];
}

async function scopesOf(api: TestApp, body: object): Promise<RunRow['policy_scopes']> {
  const started = await startRun(api, body);
  await endOfRun(api, started);
  return (await storeOver('', api.database, api.log).run(started.id)).policy_scopes;
}

test('built-in profiles are listed, and can be neither changed nor deleted nor replaced', async () => {
  const api = await createTestApp();
  const { items } = (await api.ask('GET', '/policies')).json<{ items: PolicyView[] }>();
  expect(items.toSorted((one, other) => (one.id < other.id ? -1 : 1))).toEqual(
    builtInProfiles
      .map((profile) => ({ ...profile, version: builtInVersion, builtIn: true }))
      .toSorted((one, other) => (one.id < other.id ? -1 : 1)),
  );
  const profile = { ...own, id: 'plan-readonly' };
  expect([
    await refusal(api.ask('PUT', '/policies/plan-readonly', { version: 1, profile })),
    await refusal(api.ask('DELETE', '/policies/plan-readonly?version=1')),
    await refusal(api.ask('POST', '/policies', { profile })),
    await refusal(api.ask('POST', '/policies', { profile: { ...own, id: 'place' } })),
  ]).toEqual([
    [
      409,
      'PolicyBuiltIn',
      'The policy plan-readonly is built in and stays as it is; customise a copy of it.',
    ],
    [
      409,
      'PolicyBuiltIn',
      'The policy plan-readonly is built in and stays as it is; customise a copy of it.',
    ],
    [409, 'PolicyExists', 'There is a policy plan-readonly already, or was one; use another id.'],
    [400, 'InvalidInput', 'No policy can be called place; use another id.'],
  ]);
});

test('a profile of your own is kept in versions, and a change to a version that is no longer the newest is refused', async () => {
  const api = await createTestApp();
  const created = await api.ask('POST', '/policies', { profile: own });
  expect([created.statusCode, created.json()]).toEqual([201, { ...own, version: 1, builtIn: false }]);
  const changed = { ...own, name: 'Changed' };
  expect((await api.ask('PUT', '/policies/own', { version: 1, profile: changed })).json()).toEqual({
    ...changed,
    version: 2,
    builtIn: false,
  });
  const byHeader = (version: string, body: object = { profile: changed }) =>
    refusal(api.ask('PUT', '/policies/own', body, { 'if-match': version }));
  expect((await api.ask('GET', '/policies/own')).headers.etag).toBe('"2"');
  expect(await byHeader('"1"')).toEqual([409, 'VersionStale', expect.any(String)]);
  expect(await byHeader('2')).toEqual([
    400,
    'InvalidInput',
    'If-Match must be one version in quotes, such as "3".',
  ]);
  expect(await byHeader('"2"', { version: 1, profile: changed })).toEqual([
    400,
    'InvalidInput',
    'If-Match must be the same as version in the body.',
  ]);
  const third = { ...own, name: 'Changed again' };
  const key = { 'idempotency-key': 'by-header' };
  const put = (version: string) =>
    api.ask('PUT', '/policies/own', { profile: third }, { 'if-match': version, ...key });
  const taken = await put('"2"');
  expect([taken.statusCode, taken.json()]).toEqual([200, { ...third, version: 3, builtIn: false }]);
  const again = await put('"2"');
  expect([again.statusCode, again.body, again.headers['idempotent-replayed']]).toEqual([
    200,
    taken.body,
    'true',
  ]);
  // The version is a part of the request: with another one it is not the same again.
  expect((await put('"3"')).json().code).toBe('IdempotencyKeyReused');
  const stale = await api.ask('PUT', '/policies/own', { version: 1, profile: own });
  expect([stale.statusCode, stale.json()]).toEqual([
    409,
    expect.objectContaining({ code: 'VersionStale', version: 3 }),
  ]);
  expect(
    await Promise.all(
      ['', '?version=1', '?version=2'].map(
        async (query) => (await api.ask('GET', `/policies/own${query}`)).json<PolicyView>().name,
      ),
    ),
  ).toEqual(['Changed again', 'Own', 'Changed']);
  expect(await refusal(api.ask('GET', '/policies/own?version=4'))).toEqual([
    404,
    'NotFound',
    'There is no policy own in version 4.',
  ]);
  expect(
    await refusal(api.ask('PUT', '/policies/own', { version: 3, profile: { ...own, id: 'other' } })),
  ).toEqual([400, 'InvalidInput', 'The id of a profile stays: own, not other.']);
  expect((await api.ask('DELETE', '/policies/own?version=3')).statusCode).toBe(204);
  expect((await api.ask('GET', '/policies/own')).statusCode).toBe(404);
  // Its versions stay for the runs that began with them, and its id stays taken.
  expect((await api.ask('GET', '/policies/own?version=1')).statusCode).toBe(200);
  expect((await api.ask('POST', '/policies', { profile: own })).statusCode).toBe(409);
});

test('a profile whose example does not hold is refused with the rule, and a YAML file with the line', async () => {
  const api = await createTestApp();
  const [rule] = own.rules;
  const wrong = { ...own, rules: [{ ...rule, examples: { match: ['ls'] } }] };
  expect(await refusal(api.ask('POST', '/policies', { profile: wrong }))).toEqual([
    400,
    'InvalidInput',
    expect.stringMatching(/rule.*ls/is),
  ]);
  const file = (await api.ask('GET', '/policies/headless-safe-sandbox/yaml')).body;
  const yaml = file.replace('id: headless-safe-sandbox', 'id: from-a-file');
  expect((await api.ask('POST', '/policies', { yaml })).json()).toEqual({
    ...findProfile('headless-safe-sandbox'),
    id: 'from-a-file',
    version: 1,
    builtIn: false,
  });
  expect(
    await refusal(api.ask('POST', '/policies', { yaml: yaml.replace('\nmode: default', '\nmood: default') })),
  ).toEqual([400, 'InvalidInput', expect.stringMatching(/^Line \d+: /)]);
});

test('a copy of a profile can be changed, and applied to a project and everywhere', async () => {
  const api = await createTestApp();
  const copy = await api.ask('POST', '/policies/ask-everything/customise', { id: 'mine' });
  expect([copy.statusCode, copy.json()]).toEqual([
    201,
    {
      ...findProfile('ask-everything'),
      id: 'mine',
      name: 'Ask about everything (copy)',
      version: 1,
      builtIn: false,
    },
  ]);
  await api.ask('POST', '/policies', { profile: own });
  const project = { path: '/srv/shop' };
  const builtIn = (scope: string, id: string) => ({ scope, id, version: builtInVersion });
  expect(await scopesOf(api, { project })).toEqual([builtIn('run', 'headless-safe-sandbox')]);

  await api.ask('PUT', '/policies/place', { project: project.path, policy: 'own' });
  await api.ask('PUT', '/policies/place', { policy: 'mine' });
  const [ownRef, mineRef] = [
    { id: 'own', version: 1 },
    { id: 'mine', version: 1 },
  ];
  expect([
    await scopesOf(api, { project }),
    await scopesOf(api, {}),
    await scopesOf(api, { project, policy: 'plan-readonly' }),
    await scopesOf(api, { project, policy: 'mine' }),
  ]).toEqual([
    [
      { scope: 'run', ...ownRef },
      { scope: 'global', ...mineRef },
    ],
    [{ scope: 'run', ...mineRef }],
    [builtIn('run', 'plan-readonly'), { scope: 'project', ...ownRef }, { scope: 'global', ...mineRef }],
    [
      { scope: 'run', ...mineRef },
      { scope: 'project', ...ownRef },
    ],
  ]);
  expect(await refusal(api.ask('DELETE', '/policies/own?version=1'))).toEqual([
    409,
    'PolicyInUse',
    'The policy own applies in /srv/shop; take it from there first.',
  ]);
  await api.ask('PUT', '/policies/place', { project: project.path, policy: null });
  await api.ask('PUT', '/policies/place', { policy: null });
  expect(await scopesOf(api, { project })).toEqual([builtIn('run', 'headless-safe-sandbox')]);
  expect((await api.ask('DELETE', '/policies/own?version=1')).statusCode).toBe(204);
  expect((await api.ask('PUT', '/policies/place', { policy: 'own' })).statusCode).toBe(404);
});

test('a profile that is being deleted is applied nowhere, and one that is gone where it applies allows nothing', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/policies', { profile: own });
  await api.ask('POST', '/policies', { profile: { ...own, id: 'other' } });
  const deleting = await api.database.pool.connect();
  try {
    await deleting.query('begin');
    await deleting.query("select 1 from policies where id = 'own' for update");
    await deleting.query("update policies set deleted_at = now() where id = 'own'");
    const applying = refusal(api.ask('PUT', '/policies/place', { policy: 'own' }));
    // It waits for the other; without waiting it would be there by then.
    await Promise.race([applying, setTimeout(500)]);
    await deleting.query('commit');
    expect(await applying).toEqual([404, 'NotFound', 'There is no policy own.']);
  } finally {
    deleting.release();
  }

  expect((await api.ask('PUT', '/policies/place', { policy: 'other' })).statusCode).toBe(200);
  await api.database.pool.query("update policies set deleted_at = now() where id = 'other'");
  const body = { policy: 'trusted-mount-autonomous' };
  expect(await scopesOf(api, body)).toEqual([
    { scope: 'run', id: body.policy, version: builtInVersion },
    { scope: 'global', id: 'other', version: 0 },
  ]);
  const { id } = await startRun(api, body);
  expect(await reviewed(api, id, 1, 'ls')).toMatchObject([
    { decision: 'deny', reason: 'the policy profile of the global does not exist' },
  ]);
});

test('profiles are listed page by page, each once', async () => {
  const api = await createTestApp();
  // Their names lie among those of the built-in ones.
  for (const id of ['a', 'm', 'z']) await api.ask('POST', '/policies', { profile: { ...own, id } });
  const listed: string[][] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const answer = await api.ask('GET', `/policies?limit=2${query}`);
    const page = answer.json<{ items: PolicyView[]; nextCursor: string | null }>();
    listed.push(page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  const builtIn = builtInProfiles.map(({ id }) => id).toSorted();
  expect(listed).toEqual([
    [builtIn[0], builtIn[1]],
    [builtIn[2], builtIn[3]],
    [builtIn[4], builtIn[5]],
    [builtIn[6], 'a'],
    ['m', 'z'],
    [],
  ]);
  expect((await refusal(api.ask('GET', '/policies?cursor=nonsense'))).slice(0, 2)).toEqual([
    400,
    'InvalidCursor',
  ]);
});

test('a link to a project is no way around what applies to it', async () => {
  const api = await createTestApp({
    realPath: async (folder) => {
      if (folder === '/srv/gone') throw new Failure('InvalidInput', 'There is no such directory.');
      return folder.replace('/srv/link', '/srv/shop');
    },
  });
  await api.ask('POST', '/policies', { profile: own });
  await api.ask('PUT', '/policies/place', { project: '/srv/link', policy: 'own' });
  const expected = [{ scope: 'run', id: 'own', version: 1 }];
  expect(await scopesOf(api, { project: { path: '/srv/link' } })).toEqual(expected);
  expect(await scopesOf(api, { project: { path: '/srv/shop' } })).toEqual(expected);
  const gone = await api.ask('POST', '/runs', { prompt: 'hi', project: { path: '/srv/gone' } });
  expect([gone.statusCode, gone.json().detail]).toEqual([400, 'There is no such directory.']);
});

test('a run goes on with the version it began with', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/policies', { profile: own });
  const before = await startRun(api, { policy: 'own', attended: true });
  const strict = { ...own, rules: [{ effect: 'execute', decision: 'deny' }] };
  await api.ask('PUT', '/policies/own', { version: 1, profile: strict });
  const after = await startRun(api, { policy: 'own', attended: true });
  const decisions = await Promise.all(
    [before, after].map(async ({ id }) => {
      const [call] = await reviewed(api, id, 1, 'ls');
      return [call?.decision, call?.decided.profileVersion];
    }),
  );
  expect(decisions).toEqual([
    ['ask', 1],
    ['deny', 2],
  ]);
});
