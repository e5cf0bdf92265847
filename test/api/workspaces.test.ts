// Workspaces over HTTP: made, changed, refused, and the place that a run has from one.
import { expect, test } from 'vitest';
import type { RunView } from '../../workflows/contracts/run.ts';
import type { WorkspaceView } from '../../workflows/contracts/workspace.ts';
import { createTestApp, type TestApp } from '../support/test-app.ts';
import { endOfRun } from './stream/streams.ts';

const shop = {
  id: 'shop',
  name: 'The shop',
  projects: [{ path: '/srv/shop' }, { path: '/srv/library' }],
  metadata: { team: 'shop', stage: 'test' },
};
const when = expect.stringMatching(/^\d{4}-.*Z$/) as unknown;

async function refusal(api: TestApp, ...request: Parameters<TestApp['ask']>): Promise<unknown[]> {
  const answer = await api.ask(...request);
  const { code, detail } = answer.json<{ code: string; detail: string }>();
  return [answer.statusCode, code, detail];
}

async function started(api: TestApp, body: object): Promise<RunView> {
  const answer = await api.ask('POST', '/runs', { prompt: 'Go.', ...body });
  expect(answer.statusCode, answer.body).toBe(202);
  return (await api.ask('GET', `/runs/${answer.json<{ id: string }>().id}`)).json();
}

async function listed(api: TestApp, query: string): Promise<string[]> {
  const { items } = (await api.ask('GET', `/workspaces?${query}`)).json<{ items: WorkspaceView[] }>();
  return items.map(({ id }) => id);
}

test('a workspace is made, found by its labels, changed by version and taken away', async () => {
  const api = await createTestApp();
  const made = await api.ask('POST', '/workspaces', shop);
  const view = { ...shop, version: 1, createdAt: when, updatedAt: when };
  expect([made.statusCode, made.json()]).toEqual([201, view]);
  const read = await api.ask('GET', '/workspaces/shop');
  expect([read.headers['etag'], read.json()]).toEqual(['"1"', view]);
  const labels = { stage: null, ticket: '12' };
  const changed = await api.ask('PATCH', '/workspaces/shop', { metadata: labels }, { 'if-match': '"1"' });
  expect(changed.json()).toEqual({ ...view, version: 2, metadata: { team: 'shop', ticket: '12' } });
  expect(await refusal(api, 'PATCH', '/workspaces/shop', { name: 'Late', version: 1 })).toEqual([
    ...[409, 'VersionStale', 'The workspace shop is at version 2, not 1: read it again.'],
  ]);
  const other = { id: 'blog', projects: [{ path: '/srv/blog' }] };
  expect((await api.ask('POST', '/workspaces', other)).json()).toMatchObject({ name: 'blog', metadata: {} });
  expect(await listed(api, '')).toEqual(['blog', 'shop']);
  expect(await listed(api, `metadata=${encodeURIComponent('{"team":"shop"}')}`)).toEqual(['shop']);
  const first = (await api.ask('GET', '/workspaces?limit=1')).json<{ nextCursor: string }>();
  expect(await listed(api, `cursor=${first.nextCursor}`)).toEqual(['shop']);
  const cleared = await api.ask('PATCH', '/workspaces/shop', { metadata: null, version: 2 });
  expect(cleared.json()).toMatchObject({ metadata: {}, version: 3, projects: shop.projects });
  const gone = await api.ask('DELETE', '/workspaces/shop?version=3');
  expect([gone.statusCode, (await api.ask('GET', '/workspaces/shop')).statusCode]).toEqual([204, 404]);
});

test('what a workspace cannot be is refused with what to do', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/workspaces', shop);
  const nested = [{ path: '/srv/shop' }, { path: '/srv/shop/library' }];
  const wrong: [object, number, string, RegExp][] = [
    [shop, 409, 'WorkspaceExists', /There is a workspace shop already/],
    [{ ...shop, id: 'My Shop' }, 400, 'InvalidInput', /id/],
    [{ ...shop, id: 'x', projects: [] }, 400, 'InvalidInput', /projects/],
    [{ ...shop, id: 'x', projects: [{ path: 'shop' }] }, 400, 'InvalidInput', /absolute path/],
    [{ ...shop, id: 'x', projects: nested }, 400, 'InvalidInput', /lie in one another: name one of them/],
    [{ ...shop, id: 'x', projects: [nested[0], nested[0]] }, 400, 'InvalidInput', /each directory once/],
  ];
  for (const [body, status, code, detail] of wrong)
    expect(await refusal(api, 'POST', '/workspaces', body)).toEqual([
      ...[status, code, expect.stringMatching(detail)],
    ]);
  const labels = Object.fromEntries(Array.from({ length: 31 }, (_, at) => [`label-${at}`, 'x']));
  expect(await refusal(api, 'PATCH', '/workspaces/shop', { metadata: labels, version: 1 })).toEqual([
    ...[400, 'InvalidInput', 'metadata would have more than 32 keys: take some away with null.'],
  ]);
});

test('a run works in the first project of its workspace and keeps the list that it began with', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/workspaces', shop);
  const run = await started(api, { workspace: 'shop' });
  expect([run.project, run.workspace]).toEqual([
    { path: '/srv/shop' },
    { id: 'shop', version: 1, others: ['/srv/library'] },
  ]);
  expect([run.sources?.project, run.sources?.workspace]).toEqual(['request', 'request']);
  const projects = [{ path: '/srv/shop' }, { path: '/srv/engine' }];
  await api.ask('PATCH', '/workspaces/shop', { projects, version: 1 });
  expect((await api.ask('GET', `/runs/${run.id}`)).json()).toMatchObject({ workspace: run.workspace });
  await endOfRun(api, run);
  // Its newest version counts for the next run.
  const next = await started(api, { conversationId: run.conversationId });
  expect([next.workspace, next.sources?.workspace]).toEqual([
    { id: 'shop', version: 2, others: ['/srv/engine'] },
    'conversation',
  ]);
  await endOfRun(api, next);
  const moved = await started(api, { conversationId: run.conversationId, project: { path: '/srv/blog' } });
  expect([moved.project, moved.workspace]).toEqual([{ path: '/srv/blog' }, null]);
  await endOfRun(api, moved);
  const after = await started(api, { conversationId: run.conversationId });
  expect([after.project, after.workspace]).toEqual([{ path: '/srv/blog' }, null]);
  await endOfRun(api, after);
  const back = await started(api, { conversationId: run.conversationId, workspace: 'shop' });
  expect(back.workspace?.id).toBe('shop');
  await endOfRun(api, back);
  const none = await started(api, { conversationId: run.conversationId, workspace: null });
  expect([none.project, none.workspace]).toEqual([null, null]);
});

test('the first level that names a project or a workspace decides where a run works', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/workspaces', shop);
  const preset = { id: 'keeper', name: 'Keeper', workspace: 'shop' };
  expect((await api.ask('POST', '/presets', preset)).statusCode).toBe(201);
  const byPreset = await started(api, { preset: 'keeper' });
  expect([byPreset.workspace?.id, byPreset.sources?.workspace]).toEqual(['shop', 'preset']);
  await endOfRun(api, byPreset);
  const byRequest = await started(api, { preset: 'keeper', project: { path: '/srv/blog' } });
  expect([byRequest.project?.path, byRequest.workspace]).toEqual(['/srv/blog', null]);
  const scratch = await started(api, { preset: 'keeper', project: null });
  expect([scratch.project, scratch.workspace]).toEqual([null, null]);
  const path = `/conversations/${byRequest.conversationId}`;
  const settings = await api.ask('PATCH', path, { settings: { workspace: 'shop' } });
  expect(settings.statusCode, settings.body).toBe(200);
  await endOfRun(api, byRequest);
  const bySettings = await started(api, { conversationId: byRequest.conversationId });
  expect([bySettings.workspace?.id, bySettings.sources?.workspace]).toEqual(['shop', 'settings']);
});

test('a project beside a workspace, and a workspace there is not, are refused wherever they are named', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/workspaces', shop);
  const { conversationId } = await started(api, {});
  const both = { workspace: 'shop', project: { path: '/srv/shop' } };
  const two = 'A workspace has projects of its own: give workspace or project, and not both.';
  const unknown = 'There is no workspace shed; GET /api/v1/workspaces lists them.';
  const places: [Parameters<TestApp['ask']>[0], string, (place: object) => object][] = [
    ['POST', '/runs', (place) => ({ prompt: 'Go.', ...place })],
    [
      'POST',
      `/conversations/${conversationId}/messages`,
      (place) => ({ prompt: 'Go.', whenBusy: 'queue', ...place }),
    ],
    ['PATCH', `/conversations/${conversationId}`, (place) => ({ settings: place })],
    ['POST', '/presets', (place) => ({ name: 'Keeper', ...place })],
    ['POST', '/tasks', (place) => ({ title: 'Mend', prompt: 'Go.', run: place })],
    [
      'POST',
      '/schedules',
      (place) => ({ name: 'often', everySeconds: 60, run: { prompt: 'Go.', ...place } }),
    ],
  ];
  for (const [method, where, body] of places) {
    expect(await refusal(api, method, where, body(both))).toEqual([422, 'TwoPlaces', two]);
    const shed = body({ workspace: 'shed' });
    expect(await refusal(api, method, where, shed)).toEqual([422, 'UnknownWorkspace', unknown]);
  }
});

test('a workspace in use is not taken away, and its directories are never touched', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/workspaces', shop);
  const run = await started(api, { workspace: 'shop' });
  const remove = (): Promise<unknown[]> => refusal(api, 'DELETE', '/workspaces/shop?version=1');
  expect(await remove()).toEqual([
    ...[409, 'WorkspaceInUse', `Run ${run.id} works in the workspace shop: wait until it has ended.`],
  ]);
  await endOfRun(api, run);
  const goesBy = `Conversation ${run.conversationId} goes by the workspace shop; archive it, or give it another place, first.`;
  expect(await remove()).toEqual([409, 'WorkspaceInUse', goesBy]);
  await api.ask('PATCH', `/conversations/${run.conversationId}`, { archived: true });
  await api.ask('POST', '/presets', { id: 'keeper', name: 'Keeper', workspace: 'shop' });
  expect(await remove()).toEqual([
    ...[409, 'WorkspaceInUse', 'The preset keeper names the workspace shop: change it first.'],
  ]);
  await api.ask('DELETE', '/presets/keeper?version=1');
  expect((await api.ask('DELETE', '/workspaces/shop?version=1')).statusCode).toBe(204);
  // Its conversation is told what to do once it is brought back.
  expect(await refusal(api, 'POST', '/runs', { prompt: 'Go.', conversationId: run.conversationId })).toEqual([
    ...[422, 'UnknownWorkspace'],
    'There is no workspace shop; GET /api/v1/workspaces lists them. The run before had it: name another with workspace.',
  ]);
});

test('what went by a workspace once and does so no more leaves it free', async () => {
  const api = await createTestApp();
  await api.ask('POST', '/workspaces', shop);
  const blog = { project: { path: '/srv/blog' } };
  const change = async ({ conversationId }: RunView, changes: object): Promise<void> => {
    const { statusCode, body } = await api.ask('PATCH', `/conversations/${conversationId}`, changes);
    expect(statusCode, body).toBe(200);
  };
  const conversation = async (body: object): Promise<RunView> => {
    const run = await started(api, body);
    await endOfRun(api, run);
    return run;
  };
  const { conversationId } = await conversation({ workspace: 'shop' });
  await conversation({ conversationId, ...blog });
  await change(await conversation({ workspace: 'shop' }), { settings: blog });
  await change(await conversation({}), { settings: { workspace: 'shop' }, archived: true });
  const keeper = { id: 'keeper', name: 'Keeper' };
  await api.ask('POST', '/presets', { ...keeper, workspace: 'shop' });
  expect((await api.ask('PUT', '/presets/keeper', { name: 'Keeper', version: 1 })).statusCode).toBe(200);
  expect((await api.ask('DELETE', '/workspaces/shop?version=1')).statusCode).toBe(204);
});
