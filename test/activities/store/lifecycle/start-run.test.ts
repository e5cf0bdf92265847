import { beforeAll, expect, test } from 'vitest';
import { changeLimits } from '../../../../activities/store/allowances/change-limits.ts';
import { holdPools } from '../../../../activities/store/allowances/run-places.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import type { Accepted } from '../../../../activities/store/lifecycle/accept-run.ts';
import { type StartNeeds, startRun } from '../../../../activities/store/lifecycle/start-run.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import { applyPolicy } from '../../../../activities/store/policies/policy-scopes.ts';
import type { StartRunBody } from '../../../../workflows/contracts/run.ts';
import { defaultProfile, findProfile, toRunLimits } from '../../../../workflows/policy/presets.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { log, database } = store;
const starter = { tenantId: defaultTenant, by: 'a schedule', requestId: 'tick-1' };

beforeAll(() => ensureBuiltIns(database.db, defaultTenant));

function start(wanted: StartRunBody, needs: Partial<StartNeeds> = {}): Promise<Accepted> {
  return log.write('test', (write) => startRun(write, { ...startNeeds, ...needs }, starter, wanted));
}

test('what a request leaves open is decided, and the run keeps it', async () => {
  const { run, became } = await start(
    { prompt: 'My key is k-123.' },
    {
      redact: (text) => text.replace('k-123', '[secret]'),
    },
  );
  const profile = findProfile(defaultProfile);
  if (!profile) throw new Error('The default policy is gone.');
  expect(became).toBe('started');
  expect(run).toMatchObject({
    prompt: 'My key is [secret].',
    model: 'scripted/hello',
    policy: defaultProfile,
    policy_scopes: [{ scope: 'run', id: defaultProfile, version: 1 }],
    limits: toRunLimits(profile),
    stall: profile.stall,
    attended: false,
    accepted_by: 'a schedule',
    request_id: 'tick-1',
  });
});

test('what a request names is kept, and the policies of its project come behind its own', async () => {
  const change = { tenantId: defaultTenant, by: 'test' };
  await log.write('test', (write) =>
    applyPolicy(write, { scope: 'project', key: '/real/shop' }, 'ask-everything', change),
  );
  const { run } = await start(
    { prompt: 'Go.', policy: 'trusted-mount-autonomous', project: { path: '/link' }, limits: { steps: 3 } },
    { realPath: async () => '/real/shop' },
  );
  expect(run).toMatchObject({
    project_path: '/link',
    limits: { steps: 3 },
    policy_scopes: [
      { scope: 'run', id: 'trusted-mount-autonomous' },
      { scope: 'project', id: 'ask-everything' },
    ],
  });
});

test.each([
  ['a model there is not', { model: 'nobody/none' }, {}, 'UnknownModel'],
  ['a policy there is not', { policy: 'none' }, {}, 'UnknownPolicy'],
  ['tools that cannot be offered', {}, { externalToolsProblem: () => 'Two of one name.' }, 'InvalidInput'],
  ['a conversation there is not', { conversationId: defaultTenant }, {}, 'NotFound'],
])('%s is refused', async (_what, wanted, needs, code) => {
  await expect(start({ prompt: 'Go.', ...wanted }, needs)).rejects.toMatchObject({ code });
});

test('a run draws from its owner’s pool, or from those its starter has locked', async () => {
  for (const name of ['owner/ada', 'owner/bob'] as const) {
    const change = { tenantId: defaultTenant, name, model: '', limits: { dayRuns: 1 }, version: 0 };
    await database.db
      .transaction()
      .execute((tx) => changeLimits(tx, { ...change, by: 'test', reason: 'a test' }));
  }
  const wanted = { prompt: 'Go.', owner: 'ada' };
  expect((await start(wanted)).became).toBe('started');
  await expect(start(wanted)).rejects.toMatchObject({ code: 'AllowanceExceeded' });
  const { became } = await log.write('test', async (write) => {
    const held = await holdPools(write.tx, { tenantId: defaultTenant, others: ['owner/bob'] });
    return startRun(write, startNeeds, starter, wanted, held);
  });
  expect(became).toBe('started');
});
