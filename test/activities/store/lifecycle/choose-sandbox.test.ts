// Which container of a person's a run gets.
import { beforeAll, expect, test } from 'vitest';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import type { SandboxChoices } from '../../../../activities/store/lifecycle/choose-sandbox.ts';
import type { Accepted } from '../../../../activities/store/lifecycle/accept-run.ts';
import { startRun } from '../../../../activities/store/lifecycle/start-run.ts';
import { ensureBuiltIns } from '../../../../activities/store/policies/policies.ts';
import type { StartRunBody } from '../../../../workflows/contracts/run.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const starter = { tenantId: defaultTenant, by: 'test', requestId: 'request-1' };

beforeAll(() => ensureBuiltIns(store.database.db, defaultTenant));

function start(wanted: StartRunBody, needs: Pick<SandboxChoices, 'sandbox'>): Promise<Accepted> {
  return store.log.write('test', (write) => startRun(write, { ...startNeeds, ...needs }, starter, wanted));
}

test('a container that a person runs is named by itself, stands for the follow-up, and satisfies no policy that requires more', async () => {
  const project = { project: { path: '/srv/theirs' } };
  const nothing = { files: false, network: false, processes: false };
  const all = { files: true, network: true, processes: true };
  const asked: unknown[] = [];
  const sandbox: SandboxChoices['sandbox'] = async (mode, of) => {
    asked.push([mode, of]);
    return { mode, contains: mode === 'container' ? nothing : all, reach: 'its files', problem: null };
  };
  const container = { id: 'web', workdir: '/workspace' };
  const { run } = await start({ prompt: 'Go.', ...project, container }, { sandbox });
  const { conversation_id: conversationId } = run;
  const next = async (said: Partial<StartRunBody>) => {
    const { run: other } = await start({ prompt: 'And?', conversationId, ...said }, { sandbox });
    await store.end(await store.begin(other).then(() => store.run(other.id)));
    return [other.exec_mode, other.container, other.work_tree];
  };
  await store.end(await store.begin(run).then(() => store.run(run.id)));
  expect([
    [run.exec_mode, run.container, run.work_tree],
    await next({}),
    await next({ execMode: 'bubblewrap' }),
    await next({ container: { id: 'other' } }),
  ]).toEqual([
    ['container', container, 'in-place'],
    ['container', container, 'in-place'],
    ['bubblewrap', container, 'in-place'],
    ['container', { id: 'other' }, 'in-place'],
  ]);
  expect(asked[0]).toEqual(['container', { container, projectPath: '/srv/theirs' }]);
  const refused: [Partial<StartRunBody>, string][] = [
    [{ execMode: 'container' }, 'InvalidInput'],
    [{ container, workTree: 'own' }, 'InvalidInput'],
    [{ container, policy: 'headless-permissive-sandbox' }, 'ContainmentRequired'],
  ];
  for (const [said, code] of refused)
    await expect(start({ prompt: 'Go.', ...project, ...said }, { sandbox })).rejects.toMatchObject({ code });
});
