import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { commit } from '../../../../api/verbs/verb.ts';
import { raiseOwn } from '../../../../activities/store/allowances/own-limits.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import type { Accepted } from '../../../../activities/store/lifecycle/accept-run.ts';
import { startAside } from '../../../../activities/store/lifecycle/aside.ts';
import { type StartNeeds, startRun } from '../../../../activities/store/lifecycle/start-run.ts';
import type { Write } from '../../../../activities/store/log/events.ts';
import {
  createPolicy,
  deletePolicy,
  ensureBuiltIns,
} from '../../../../activities/store/policies/policies.ts';
import type { RunRow } from '../../../../activities/store/runs/runs.ts';
import { Failure } from '../../../../workflows/contracts/failures.ts';
import type { PolicyProfile } from '../../../../workflows/contracts/policy.ts';
import type { StartRunBody } from '../../../../workflows/contracts/run.ts';
import {
  defaultProfile,
  defaultProfileOf,
  findProfile,
  toRunLimits,
} from '../../../../workflows/policy/presets.ts';
import { sourcesOf } from '../../../support/accepting.ts';
import { startNeeds } from '../../../support/start-needs.ts';
import { lockedRun, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { log, database } = store;
const starter = { tenantId: defaultTenant, by: 'a caller', requestId: 'r' };

beforeAll(() => ensureBuiltIns(database.db, defaultTenant));

function begin(write: Write, wanted: Partial<StartRunBody>, needs: Partial<StartNeeds> = {}) {
  return startRun(write, { ...startNeeds, ...needs }, starter, {
    prompt: 'Go.',
    ...wanted,
  });
}

function start(wanted: Partial<StartRunBody>, needs: Partial<StartNeeds> = {}): Promise<Accepted> {
  return log.write('test', (write) => begin(write, wanted, needs));
}

function follow(run: RunRow, wanted: Partial<StartRunBody> = {}, needs: Partial<StartNeeds> = {}) {
  return start({ conversationId: run.conversation_id, whenBusy: 'queue', ...wanted }, needs);
}

const said = fc.record(
  {
    project: fc.constantFrom(null, { path: '/srv/a' }, { path: '/srv/b' }),
    model: fc.constantFrom('scripted/hello', 'scripted/slow'),
    policy: fc.constantFrom('plan-readonly', 'ask-everything', defaultProfile),
    priority: fc.constantFrom('critical' as const, 'low' as const),
    owner: fc.constantFrom('ada', 'bob'),
    attended: fc.boolean(),
    limits: fc.record(
      { steps: fc.integer({ min: 1, max: 9 }), tokens: fc.integer({ min: 1, max: 9 }) },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);
// So that no conversation is refused for another in its project.
const own = { workTree: 'own' as const };
const ends = fc.constantFrom('succeeded' as const, 'failed' as const, 'cancelled' as const, undefined);

test('whatever was said when, and however runs ended, each goes by what was said last', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(said, ends), { minLength: 2, maxLength: 6 }), async (messages) => {
      const stands: Omit<(typeof messages)[number][0], 'policy'> & { policy?: string } = {};
      let first: RunRow | undefined;
      for (const [message, end] of messages) {
        const { run } = first ? await follow(first, message) : await start({ ...message, ...own });
        first ??= run;
        Object.assign(stands, message, { limits: { ...stands.limits, ...message.limits } });
        // The first that said none got one, and that stands.
        stands.policy ??= defaultProfileOf({ attended: stands.attended ?? false });
        const profile = findProfile(stands.policy);
        if (!profile) throw new Error('It is built in.');
        expect({
          ...run,
          project: run.project_path,
          priority: ['critical', 'high', 'normal', 'low'][run.priority],
        }).toMatchObject({
          project: stands.project?.path ?? null,
          model: stands.model ?? 'scripted/hello',
          policy: profile.id,
          priority: stands.priority ?? 'normal',
          owner: stands.owner ?? null,
          attended: stands.attended ?? false,
          limits: { ...toRunLimits(profile), ...stands.limits },
        });
        // Its turn may not have come: then it stays parked.
        if (end && !run.parked) await store.end(run, { status: end });
      }
    }),
    { numRuns: 25 },
  );
});

test('a directory, a model or a policy that is gone since the run before is refused with what to do', async () => {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'perdure-gone-')));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const change = { tenantId: defaultTenant, by: 'test' };
  const profile = { ...findProfile('ask-everything'), id: 'short-lived' } as PolicyProfile;
  await log.write('test', (write) => createPolicy(write, profile, change));
  const { run } = await start({ project: { path: folder }, model: 'scripted/slow', policy: profile.id });
  const gone: Partial<StartNeeds> = {
    realPath: async (asked) => {
      throw new Failure('InvalidInput', `There is no directory ${asked}.`);
    },
  };
  await expect(follow(run, {}, gone)).rejects.toMatchObject({
    code: 'InvalidInput',
    message: `There is no directory ${folder}. The run before had it: name another with project (perdure run --conversation ID --project DIR), or null (--project none) for a scratch folder.`,
  });
  await expect(follow(run, { project: { path: '/none' } }, gone)).rejects.toThrow(
    /^There is no directory \/none\.$/,
  );
  expect((await follow(run, { project: null }, gone)).run.project_path).toBeNull();
  await expect(follow(run, {}, { hasModel: (name) => name !== 'scripted/slow' })).rejects.toMatchObject({
    code: 'UnknownModel',
    message: expect.stringMatching(/ The run before had it: name another with model\.$/),
  });
  await log.write('test', (write) => deletePolicy(write, profile.id, 1, change));
  await expect(follow(run)).rejects.toMatchObject({
    code: 'UnknownPolicy',
    message: expect.stringMatching(/ The run before had it: name another with policy\.$/),
  });
});

test('of a run from before sources were recorded every limit stands', async () => {
  const { run } = await start({ policy: 'plan-readonly' });
  await database.db
    .updateTable('runs')
    .set({ sources: null, said_limits: null })
    .where('id', '=', run.id)
    .execute();
  const next = (await follow(run, { policy: 'ask-everything', limits: { steps: 40 } })).run;
  expect(next).toMatchObject({
    limits: { ...(run.limits as object), steps: 40 },
    sources: {
      ...sourcesOf('conversation'),
      owner: 'instance',
      overBudget: 'instance',
      externalTools: 'instance',
      container: 'instance',
      policy: 'request',
      limits: { ...sourcesOf('conversation').limits, steps: 'request', maxOutputTokens: 'instance' },
    },
  });
});

test('money that people add to a run is that run’s alone', async () => {
  const { run } = await start({ limits: { costMicros: 100 } });
  await log.write('test', async (write) =>
    raiseOwn(write, await lockedRun(write, run.id), { more: 900, by: 'ada', note: 'go on' }),
  );
  expect(await store.run(run.id)).toMatchObject({ limits: { costMicros: 1000 } });
  expect((await follow(run)).run).toMatchObject({ limits: { costMicros: 100 } });
});

test('a message that waited while another gave its conversation a new owner counts for that owner', async () => {
  const { run } = await start({ owner: 'ada' });
  const wanted = { conversationId: run.conversation_id, whenBusy: 'queue' } as const;
  let late: Promise<Accepted> | undefined;
  await log.write('test', async (write) => {
    await begin(write, { ...wanted, owner: 'bob' });
    late = commit(log, 'late', (other) => begin(other, wanted));
    await untilWaiting();
  });
  expect((await late)?.run).toMatchObject({ owner: 'bob', sources: { owner: 'conversation' } });
});

test('a side question that waited while another gave its conversation a new owner draws from the pool of that owner', async () => {
  const { run } = await start({ owner: 'ada' });
  const { conversation_id: conversationId } = run;
  let late: Promise<Accepted> | undefined;
  await log.write('test', async (write) => {
    await begin(write, { conversationId, whenBusy: 'queue', owner: 'bob' });
    const question = { conversationId, prompt: 'Why?', kind: 'aside' } as const;
    late = commit(log, 'late', (other) => startAside(other, startNeeds, starter, question));
    await untilWaiting();
  });
  const aside = (await late)?.run;
  const { chain } = await database.db
    .selectFrom('allowance_runs')
    .select('chain')
    .where('run_id', '=', aside?.id ?? '')
    .executeTakeFirstOrThrow();
  expect([aside?.owner, chain]).toEqual([
    'bob',
    ['tenant', `conversation/${conversationId}`, `run/${aside?.id}`, 'owner/bob'],
  ]);
});

/** Resolves when a transaction of this database waits for a lock. */
async function untilWaiting(): Promise<void> {
  for (;;) {
    const { rows } = await database.pool.query(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    if (rows.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
