// Subagents that a preset names: what is their preset's own, and what stays as in the run that asks.
import { beforeAll, expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { createPreset, deletePreset, updatePreset } from '../../../../activities/store/presets/presets.ts';
import type { PresetOfRun } from '../../../../activities/store/runs/preset-of-run.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import type { Preset } from '../../../../workflows/contracts/preset.ts';
import { sourcesOf } from '../../../support/accepting.ts';
import { aDelegation, delegated } from '../../../support/delegating.ts';
import { expectWholeLog, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const change = { tenantId: defaultTenant, by: 'test' };
const finder: Preset = {
  ...{ id: 'finder-of-shops', name: 'Finder', model: 'scripted/slow', temperature: 0.5 },
  ...{
    fallbacks: ['scripted/hello'],
    tools: { off: ['write'] },
    execMode: 'bubblewrap',
    project: { path: '/elsewhere' },
  },
  ...{ instructions: 'You find {{ what }}.', variables: { what: { default: 'shops' } } },
  ...{ limits: { steps: 5, costMicros: 9_000_000 }, environment: { STAGE: 'test' } },
  subagents: [{ name: 'deeper', preset: 'finder-of-shops' }],
};
const lead: PresetOfRun = {
  ...{ id: 'lead', version: 1, variables: {}, tools: { off: ['shell'] }, environment: { STAGE: 'real' } },
  subagents: [{ name: 'finder', preset: 'finder-of-shops' }],
};

beforeAll(() => ensureBuiltIns(store.database.db, defaultTenant));

async function ask(parent: RunRow, name: string, callId = '1.0', step = 1) {
  const input = { prompt: 'Find it.', name };
  await store.step(parent, step, { calls: [aDelegation(callId, 'inline', input)] });
  return delegated(store, parent, callId, 'inline');
}

async function outputOf(run: RunRow): Promise<unknown> {
  const query = store.database.db
    .selectFrom('calls')
    .select(['status', 'output'])
    .where('run_id', '=', run.id);
  return query.executeTakeFirstOrThrow();
}

test('a subagent that its preset names has a preset of its own, in the place and under the policy of its run', async () => {
  await store.log.write('test', (write) => createPreset(write, finder, change));
  const limits = { steps: 20, seconds: 600, costMicros: 1000, tokens: 5000 };
  const parent = await store.started({ preset: lead, instructions: 'You lead.', limits });
  const { child } = await ask(parent, 'finder');
  expect(child).toMatchObject({
    model: 'scripted/slow',
    instructions: 'You find shops.',
    policy: parent.policy,
    policy_scopes: parent.policy_scopes,
    exec_mode: parent.exec_mode,
    project_path: parent.project_path,
    // What its step has cost is gone from what is left.
    limits: { steps: 5, costMicros: 993, tokens: 4985 },
    preset: {
      ...{ id: 'finder-of-shops', version: 1, variables: { what: 'shops' }, tools: { off: ['write'] } },
      ...{ temperature: 0.5, fallbacks: ['scripted/hello'], environment: { STAGE: 'test' } },
      subagents: [{ name: 'deeper', preset: 'finder-of-shops' }],
    },
  });
  const sources = sourcesOf('delegation');
  expect(child?.sources).toEqual({
    ...sources,
    model: 'preset',
    limits: { ...sources.limits, steps: 'preset' },
  });
  // It may ask for its own, as deep as any may go.
  if (!child) throw new Error('There is no subagent.');
  await store.begin(child);
  const deeper = await ask(await store.run(child.id), 'deeper');
  expect(deeper.child?.instructions).toBe('You find shops.');
  await expectWholeLog(store);
});

test('a subagent with any other name goes by what its run goes by', async () => {
  const parent = await store.started({ preset: lead, instructions: 'You lead.' });
  const { child } = await ask(parent, 'helper');
  expect([child?.model, child?.instructions, child?.preset]).toEqual([parent.model, 'You lead.', lead]);
  expect(child?.sources).toEqual(sourcesOf('delegation'));
});

test('a named subagent that cannot be is told to the model, and no run is begun', async () => {
  const made = { id: 'gone', name: 'Gone', policy: 'plan-readonly' };
  await store.log.write('test', (write) => createPreset(write, made, change));
  const gone: PresetOfRun = { ...lead, subagents: [{ name: 'finder', preset: 'gone' }] };
  const other = await store.started({ preset: gone });
  expect((await ask(other, 'finder')).child).toBeUndefined();
  expect(await outputOf(other)).toEqual({
    status: 'failed',
    output: `There can be no subagent finder now. The preset gone goes by the policy plan-readonly, and this run by ${other.policy}, which its subagents keep.`,
  });
  const wants: Preset = { id: 'gone', name: 'Gone', model: 'nobody/none' };
  await store.log.write('test', (write) => updatePreset(write, wants, 1, change));
  const modelless = await store.started({ preset: gone });
  await ask(modelless, 'finder');
  expect(await outputOf(modelless)).toMatchObject({
    output: expect.stringMatching(/No provider here has the model/),
  });
  await store.log.write('test', (write) => deletePreset(write, 'gone', 2, change));
  const late = await store.started({ preset: gone });
  await ask(late, 'finder');
  expect(await outputOf(late)).toEqual({
    status: 'failed',
    output: 'The preset gone of the subagent finder is not there any more.',
  });
});
