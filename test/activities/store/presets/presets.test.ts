import { beforeAll, expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { startRun } from '../../../../activities/store/lifecycle/start-run.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import {
  createPreset,
  deletePreset,
  findPreset,
  listPresets,
  updatePreset,
} from '../../../../activities/store/presets/presets.ts';
import { presetOf } from '../../../../activities/store/runs/preset-of-run.ts';
import type { Preset } from '../../../../workflows/contracts/preset.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore({ connections: 24 });
const { log, database } = store;
const change = { tenantId: defaultTenant, by: 'test' };

beforeAll(() => ensureBuiltIns(database.db, defaultTenant));

function aPreset(id: string, changes: Partial<Preset> = {}): Preset {
  return { id, name: id, ...changes };
}

function make(preset: Preset, isDefault?: boolean) {
  return log.write('test', (write) => createPreset(write, preset, { ...change, isDefault }));
}

function update(preset: Preset, version: number, isDefault?: boolean) {
  return log.write('test', (write) => updatePreset(write, preset, version, { ...change, isDefault }));
}

function remove(id: string, version: number): Promise<void> {
  return log.write('test', (write) => deletePreset(write, id, version, change));
}

function start(preset: string | null, conversationId?: string) {
  const wanted = {
    prompt: 'Go.',
    preset,
    ...(conversationId && { conversationId, whenBusy: 'queue' as const }),
  };
  return log.write('test', (write) => startRun(write, startNeeds, { ...change, requestId: 'r' }, wanted));
}

async function defaults(): Promise<string[]> {
  const all = await listPresets(database.db, { tenantId: defaultTenant, limit: 200 });
  return all.filter(({ isDefault }) => isDefault).map(({ preset }) => preset.id);
}

test('however many become the default at once, one is, and none is refused', async () => {
  for (const id of ['one', 'two', 'three']) await make(aPreset(id));
  for (let round = 1; round <= 5; round += 1) {
    const changes = [
      ...['one', 'two', 'three'].map((id) => update(aPreset(id), round, true)),
      ...['a', 'b', 'c'].map((id) => make(aPreset(`${id}-${round}`), true)),
    ];
    await Promise.all(changes);
    expect(await defaults()).toHaveLength(1);
  }
  const [last = ''] = await defaults();
  const { version = 0 } = (await findPreset(database.db, defaultTenant, last)) ?? {};
  await update(aPreset(last), version, false);
  expect(await defaults()).toEqual([]);
});

test('a run keeps the version it began with; what is stale, taken or gone is refused', async () => {
  await make(aPreset('coder', { model: 'scripted/slow' }));
  const { run } = await start('coder');
  await update(aPreset('coder', { model: 'scripted/hello' }), 1);
  await expect(update(aPreset('coder'), 1)).rejects.toMatchObject({
    code: 'VersionStale',
    extra: { version: 2 },
  });
  await expect(make(aPreset('coder'))).rejects.toMatchObject({ code: 'PresetExists' });
  await expect(update(aPreset('none'), 1)).rejects.toMatchObject({ code: 'NotFound' });
  expect([run.model, presetOf(run)]).toEqual(['scripted/slow', { id: 'coder', version: 1, variables: {} }]);
  expect(await findPreset(database.db, defaultTenant, 'coder', 1)).toMatchObject({
    preset: { model: 'scripted/slow' },
  });
  const next = (await start('coder', run.conversation_id)).run;
  expect([next.model, presetOf(next)?.version]).toEqual(['scripted/hello', 2]);
});

test('a preset is kept while a conversation that is not archived would go by it', async () => {
  await make(aPreset('kept'));
  const { run } = await start('kept');
  const refused = { code: 'PresetInUse', extra: { conversationId: run.conversation_id } };
  await expect(remove('kept', 1)).rejects.toMatchObject(refused);
  await start(null, run.conversation_id);
  await remove('kept', 1);
  await expect(start('kept')).rejects.toMatchObject({ code: 'UnknownPreset' });
  expect(await findPreset(database.db, defaultTenant, 'kept', 1)).toMatchObject({ version: 1 });
});

test('a delete beside a run that begins with it: either there is no run, or the preset stays', async () => {
  for (let round = 1; round <= 8; round += 1) {
    const id = `raced-${round}`;
    await make(aPreset(id));
    const [started, removed] = await Promise.allSettled([start(id), remove(id, 1)]);
    const there = (await findPreset(database.db, defaultTenant, id)) !== undefined;
    expect([started.status, removed.status, there]).toEqual(
      started.status === 'fulfilled' ? ['fulfilled', 'rejected', true] : ['rejected', 'fulfilled', false],
    );
  }
});
