// Presets over HTTP: made, changed, refused, kept as files, and what a run has of them.
import { expect, test } from 'vitest';
import { modes } from '../../activities/store/presets/modes.ts';
import { ensureModes } from '../../activities/store/presets/presets.ts';
import type { PresetView } from '../../workflows/contracts/preset.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';

const teller: Omit<PresetView, 'version' | 'builtIn' | 'default'> = {
  id: 'teller',
  name: 'Teller',
  description: 'Tells what it sees.\nNothing else.',
  model: 'scripted/slow',
  temperature: 0.25,
  fallbacks: ['scripted/hello'],
  instructions: 'You tell {{ whom }}:\n  "what" you \\see\\.\n',
  variables: { whom: { description: 'Who listens.', default: 'all' }, unused: { default: '' } },
  tools: { off: ['write', 'edit'] },
  project: { path: '/srv/shop' },
  policy: 'plan-readonly',
  execMode: 'mount',
  limits: { steps: 7, costMicros: 500_000 },
  subagents: [{ name: 'finder', preset: 'reviewer', description: 'Finds what to tell.' }],
  environment: { SHOP_STAGE: 'test "1"\n', TZ: 'UTC' },
};

async function refusal(api: TestApp, ...request: Parameters<TestApp['ask']>): Promise<unknown[]> {
  const answer = await api.ask(...request);
  const { code, detail } = answer.json<{ code: string; detail: string }>();
  return [answer.statusCode, code, detail];
}

test('a preset is made, found, changed by version and taken away', async () => {
  const api = await createTestApp();
  const made = await api.ask('POST', '/presets', { ...teller, default: true });
  const view = { ...teller, version: 1, builtIn: false, default: true };
  expect([made.statusCode, made.json()]).toEqual([201, view]);
  const read = await api.ask('GET', '/presets/teller');
  expect([read.headers['etag'], read.json()]).toEqual(['"1"', view]);
  const change = { name: 'Teller', model: 'scripted/hello' };
  const changed = await api.ask('PUT', '/presets/teller', change, { 'if-match': '"1"' });
  expect(changed.json()).toEqual({ ...change, id: 'teller', version: 2, builtIn: false, default: true });
  expect(await refusal(api, 'PUT', '/presets/teller', { ...change, version: 1 })).toEqual([
    ...[409, 'VersionStale', 'The preset teller is at version 2, not 1: read it again.'],
  ]);
  expect((await api.ask('GET', '/presets/teller?version=1')).json()).toMatchObject({
    model: 'scripted/slow',
  });
  const named = await api.ask('POST', '/presets', { name: ' Élan, the 2nd!' });
  expect(named.json()).toMatchObject({ id: 'elan-the-2nd', version: 1, default: false });
  const gone = await api.ask('DELETE', '/presets/teller?version=2');
  expect([gone.statusCode, (await api.ask('GET', '/presets/teller')).statusCode]).toEqual([204, 404]);
  const left = (await api.ask('GET', '/presets?limit=200')).json<{ items: PresetView[] }>().items;
  expect(left.filter(({ builtIn }) => !builtIn).map(({ id }) => id)).toEqual(['elan-the-2nd']);
});

test('the modes are there, can be used, and stay as they are', async () => {
  const api = await createTestApp();
  await ensureModes(api.database.db, api.tenantId);
  const { items } = (await api.ask('GET', '/presets')).json<{ items: PresetView[] }>();
  expect(items.map(({ id, builtIn }) => [id, builtIn])).toEqual(modes.map(({ id }) => [id, true]).toSorted());
  expect(items).toHaveLength(8);
  for (const { version, builtIn: _, default: isDefault, ...preset } of items) {
    expect([version, isDefault]).toEqual([1, false]);
    const copy = await api.ask('POST', '/presets', { ...preset, id: `my-${preset.id}` });
    expect([preset.id, copy.statusCode]).toEqual([preset.id, 201]);
  }
  const change = { name: 'Coder', version: 1 };
  expect(await refusal(api, 'PUT', '/presets/coder', change)).toEqual([
    ...[409, 'PresetBuiltIn', 'The preset coder is built in and stays as it is; make one of your own.'],
  ]);
});

test('what a preset cannot say is refused with what to do, and nothing is stored', async () => {
  const api = await createTestApp();
  const wrong: [object, number, string, RegExp][] = [
    [{ tools: { off: ['bahs'] } }, 400, 'InvalidInput', /no built-in tool "bahs"; there are read, write,/],
    [{ tools: { on: [], off: [] } }, 400, 'InvalidInput', /tools/],
    [{ instructions: '{{ whom }}' }, 400, 'InvalidInput', /variable whom: declare it in variables/],
    [{ instructions: '{% include "/etc/passwd" %}' }, 400, 'InvalidInput', /tag "include" not found/],
    [{ variables: { whom: {} } }, 400, 'InvalidInput', /whom is for instructions, and there are none/],
    [{ model: 'nobody/none' }, 422, 'UnknownModel', /GET \/api\/v1\/models/],
    [{ fallbacks: ['scripted/hello'] }, 400, 'InvalidInput', /give model too/],
    [{ model: 'scripted/hello', fallbacks: ['nobody/none'] }, 422, 'UnknownModel', /nobody\/none/],
    [{ policy: 'none' }, 422, 'UnknownPolicy', /GET \/api\/v1\/policies/],
    [{ id: 'import' }, 400, 'InvalidInput', /No preset can be called import/],
    [{ name: 'None' }, 400, 'InvalidInput', /No preset can be called none/],
    [{ name: '→' }, 400, 'InvalidInput', /Give the preset an id/],
  ];
  for (const [fields, status, code, says] of wrong)
    expect(await refusal(api, 'POST', '/presets', { name: 'Wrong', ...fields })).toEqual([
      status,
      code,
      expect.stringMatching(says),
    ]);
  const { items } = (await api.ask('GET', '/presets')).json<{ items: PresetView[] }>();
  expect(items.filter(({ builtIn }) => !builtIn)).toEqual([]);
});

test.each(['yaml', 'toml'] as const)('a preset goes through a %s file unchanged', async (format) => {
  const api = await createTestApp();
  await api.ask('POST', '/presets', teller);
  const { body: file } = await api.ask('GET', `/presets/teller/file?format=${format}`);
  const again = await api.ask('POST', '/presets/import', { file, format });
  expect(again.json()).toEqual({ ...teller, version: 2, builtIn: false, default: false });
  const other = file.replace('teller', 'other');
  const imported = await api.ask('POST', '/presets/import', { file: other, format });
  expect(imported.json()).toEqual({ ...teller, id: 'other', version: 1, builtIn: false, default: false });
});

test.each([
  ['yaml', 'id: a\nname: [', /^This is not YAML: .* at line 2/],
  ['yaml', 'a: &a [x]\nb: *a', /^This is not YAML: Alias resolution is disabled/],
  ['yaml', 'id: a\nname: a\nmodle: x/y', /^In the preset, the file: .*modle/],
  ['yaml', 'id: a\nname: a\ndescription: "\\0"', /^In the preset, description: must be well-formed/],
  ['toml', 'id = "a"\nname = ', /^This is not TOML: .*\(line 2\)\.$/],
  ['toml', 'id = "a"\nname = "a"\n[limits]\nsteps = 0', /^In the preset, limits\.steps: /],
])('a %s file that is wrong is refused in one sentence: %j', async (format, file, says) => {
  const api = await createTestApp();
  expect(await refusal(api, 'POST', '/presets/import', { file, format })).toEqual([
    ...[400, 'InvalidInput', expect.stringMatching(says)],
  ]);
});

test('a run shows its preset, what came from it, and where its values are missing', async () => {
  const api = await createTestApp();
  const { variables: _, ...fields } = teller;
  await api.ask('POST', '/presets', { ...fields, variables: { whom: {} } });
  const begun = await api.ask('POST', '/runs', {
    ...{ prompt: 'Go.', preset: 'teller', model: 'scripted/hello' },
    ...{ variables: { whom: 'Ada' }, limits: { steps: 3 } },
  });
  const run = await api.ask('GET', `/runs/${begun.json<{ id: string }>().id}`);
  expect(run.json()).toMatchObject({
    preset: { id: 'teller', version: 1, variables: { whom: 'Ada' } },
    ...{ model: 'scripted/hello', policy: 'plan-readonly', project: { path: '/srv/shop' } },
    limits: { steps: 3, costMicros: 500_000 },
    sources: {
      ...{ preset: 'request', model: 'request', policy: 'preset', project: 'preset', execMode: 'preset' },
      limits: { steps: 'request', costMicros: 'preset', seconds: 'instance' },
    },
  });
  const start = (body: object) => refusal(api, 'POST', '/runs', { prompt: 'Go.', preset: 'teller', ...body });
  expect(await start({})).toEqual([
    400,
    'InvalidInput',
    'The preset teller needs a value of its variable whom.',
  ]);
  expect(await start({ variables: { whom: 'Ada', who: 'Bob' } })).toEqual([
    ...[400, 'InvalidInput', 'The preset teller has no variable who.'],
  ]);
  expect(await start({ preset: 'none' })).toEqual([
    ...[422, 'UnknownPreset', 'There is no preset none; GET /api/v1/presets lists them.'],
  ]);
});

test('a preset whose subagents, environment or texts cannot be is refused with what to do', async () => {
  const api = await createTestApp({ redact: (text) => text.replaceAll('hunter2hunter2', '[redacted]') });
  await api.ask('POST', '/presets', {
    id: 'asks',
    name: 'Asks',
    variables: { x: {} },
    instructions: '{{ x }}',
  });
  await api.ask('POST', '/presets', { id: 'plans', name: 'Plans', policy: 'plan-readonly' });
  const by = (preset: string) => ({ subagents: [{ name: 'finder', preset }] });
  const twice = { subagents: [...by('plans').subagents, ...by('asks').subagents] };
  const wrong: [object, number, string, RegExp][] = [
    [by('nobody'), 422, 'UnknownPreset', /finder has the preset nobody, and there is none; GET/],
    [by('asks'), 400, 'InvalidInput', /needs a value of its variable x: give it a default/],
    [by('plans'), 400, 'InvalidInput', /names the policy plan-readonly; a subagent keeps that of its run/],
    [twice, 400, 'InvalidInput', /must have a name each/],
    [{ subagents: [{ name: 'Finder', preset: 'coder' }] }, 400, 'InvalidInput', /small letters/],
    [{ environment: { 'A-B': 'x' } }, 400, 'InvalidInput', /A-B is no name of a variable/],
    [{ environment: { 'LC_*': 'x' } }, 400, 'InvalidInput', /LC_\* is no name of a variable/],
    [{ environment: { PATH: '/tmp' } }, 400, 'InvalidInput', /PATH is given to commands anyhow/],
    [{ environment: { BASH_ENV: '/tmp/x' } }, 400, 'InvalidInput', /BASH_ENV changes how a command is read/],
    [{ environment: { PERDURE_URL: 'x' } }, 400, 'InvalidInput', /PERDURE_URL is ours/],
    [{ environment: { SHOP_API_KEY: 'x' } }, 400, 'InvalidInput', /looks like the name of a secret/],
    [{ environment: { SHOP: 'sk-12345678' } }, 400, 'InvalidInput', /SHOP holds what looks like a secret/],
    [{ environment: { SHOP: 'https://a:b@c.example' } }, 400, 'InvalidInput', /SHOP holds a login/],
    [
      { environment: { SHOP: 'a hunter2hunter2' } },
      400,
      'InvalidInput',
      /SHOP holds a secret of this server/,
    ],
    [
      { instructions: 'Log in with hunter2hunter2.' },
      400,
      'InvalidInput',
      /^instructions holds a secret of this server, which no command and no model/,
    ],
    [{ description: 'hunter2hunter2' }, 400, 'InvalidInput', /^description holds a secret of this server/],
  ];
  for (const [fields, status, code, detail] of wrong)
    expect([fields, await refusal(api, 'POST', '/presets', { name: 'Wrong', ...fields })]).toEqual([
      fields,
      [status, code, expect.stringMatching(detail)],
    ]);
  // It may name itself: how deep subagents go is bounded.
  const itself = { id: 'echo', name: 'Echo', ...by('echo') };
  expect((await api.ask('POST', '/presets', itself)).statusCode).toBe(201);
  const lead = { id: 'lead', name: 'Lead', policy: 'plan-readonly', ...by('plans') };
  expect((await api.ask('POST', '/presets', lead)).statusCode).toBe(201);
  expect(await refusal(api, 'DELETE', '/presets/plans?version=1')).toEqual([
    ...[409, 'PresetInUse', 'The preset lead has a subagent that goes by plans: change it first.'],
  ]);
  await api.ask('DELETE', '/presets/lead?version=1');
  expect((await api.ask('DELETE', '/presets/plans?version=1')).statusCode).toBe(204);
});
