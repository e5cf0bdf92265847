// What a conversation may do while one of its runs is being rewound or brought home.
import { expect, test } from 'vitest';
import { givePlaces } from '../../../../activities/store/lifecycle/after-end.ts';
import { noteTree } from '../../../../activities/store/lifecycle/begin-run.ts';
import { askUndo, endRewind } from '../../../../activities/store/lifecycle/rewinds.ts';
import { listUnstarted, type RunRow } from '../../../../activities/store/runs/runs.ts';
import { rewindRun } from '../../../../api/verbs/rewind-run.ts';
import { perform, type VerbParts } from '../../../../api/verbs/verb.ts';
import { defaultTenant } from '../../../../activities/store/db/database.ts';
import { askingRun } from '../../../support/delegating.ts';
import { aCall, anAttempt, openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
const { db } = store.database;
const [before, after] = ['a'.repeat(40), 'b'.repeat(40)];
let folders = 0;

function aFolder(): string {
  folders += 1;
  return `/srv/held-${folders}`;
}

/** Ends it as cancelled with undo: its rewind is open. */
async function cancelled(run: RunRow): Promise<RunRow> {
  await noteTree(db, run.id, 'start', before);
  await store.log.write('test', (write) => askUndo(write, run, 'ada'));
  await store.end(await store.run(run.id), { status: 'cancelled', reason: 'cancelled' });
  return store.run(run.id);
}

const ends = {
  done: { status: 'done', tree: before, restored: 1, kept: [] },
  failed: { status: 'failed', problem: 'Not all files could be brought back.' },
} as const;

async function rewound(run: RunRow, how: keyof typeof ends = 'done'): Promise<void> {
  const row = { tenant_id: run.tenant_id, run_id: run.id, id: run.rewind_id ?? '' };
  expect(await store.log.write('test', (write) => endRewind(write, row, ends[how]))).toBe(true);
}

/** Of the runs that are given a place, those of the conversation. */
async function placed({ conversation_id: id }: RunRow): Promise<string[]> {
  const admitted = await givePlaces(store.log, defaultTenant);
  return admitted.filter((run) => run.conversation_id === id).map((run) => run.id);
}

async function startable(run: RunRow): Promise<boolean> {
  return (await listUnstarted(db, -60_000, 1000)).some(({ id }) => id === run.id);
}

for (const workTree of ['in-place', 'own'] as const)
  for (const how of ['done', 'failed'] as const)
    test(`what is parked behind a run cancelled with undo begins once that is ${how} (${workTree})`, async () => {
      const project = { projectPath: aFolder(), workTree };
      const first = await store.started(project);
      const { run: parked } = await store.accept({
        ...{ ...project, conversationId: first.conversation_id, whenBusy: 'queue' },
      });
      const run = await cancelled(first);
      const waiting = await store.run(parked.id);
      expect([waiting.parked, waiting.reason_text]).toEqual([
        ...[false, `It waits until run ${run.id} has been rewound or brought home.`],
      ]);
      expect([await placed(run), await startable(waiting)]).toEqual([[], false]);
      await rewound(run, how);
      expect([await placed(run), await placed(run), await startable(waiting)]).toEqual([
        ...[[parked.id], [], true],
      ]);
      expect((await store.events(parked)).filter(({ type }) => type === 'run-ready')).toHaveLength(1);
    });

for (const workTree of ['in-place', 'own'] as const)
  test(`a message that comes while a run is being rewound waits for that (${workTree})`, async () => {
    const project = { projectPath: aFolder(), workTree };
    const run = await cancelled(await store.started(project));
    const next = await store.accept({ ...project, conversationId: run.conversation_id });
    expect([next.became, next.run.reason_text]).toEqual([
      ...['waiting', `It waits until run ${run.id} has been rewound or brought home.`],
    ]);
    expect(await placed(run)).toEqual([]);
    await rewound(run);
    expect(await placed(run)).toEqual([next.run.id]);
  });

test('what has no project waits for no rewind', async () => {
  const run = await cancelled(await store.started({ projectPath: aFolder() }));
  expect((await store.accept({ conversationId: run.conversation_id })).became).toBe('started');
});

test('a call of a subagent that has outlived its main run waits until another of the conversation is rewound', async () => {
  const project = { projectPath: aFolder() };
  const { parent, children } = await askingRun(store, 1, project);
  const [child] = children as [RunRow];
  await store.step(child, 1, { calls: [aCall('1.0')] });
  await store.end(parent);
  const { run: next } = await store.accept({ ...project, conversationId: parent.conversation_id });
  await store.begin(next);
  const run = await cancelled(next);
  await expect(store.claim(anAttempt(child, 'call/1.0'))).rejects.toThrow('is being rewound');
  await rewound(run);
  expect(await store.claim(anAttempt(child, 'call/1.0', 2))).toMatchObject({ kind: 'claimed' });
});

test('what a hybrid run has changed is left to people while a subagent of it is at work', async () => {
  const ended = async (isOver: boolean): Promise<RunRow> => {
    const hybrid = { projectPath: aFolder(), workTree: 'own', bringsHome: true } as const;
    const { parent, children } = await askingRun(store, 1, hybrid);
    for (const child of children) if (isOver) await store.end(child);
    await noteTree(db, parent.id, 'start', before);
    await noteTree(db, parent.id, 'end', after);
    await store.end(await store.run(parent.id));
    return store.run(parent.id);
  };
  expect([(await ended(false)).rewind_id, (await ended(true)).rewind_id]).toEqual([null, expect.any(String)]);
});

test('the tree of a conversation is not rewound twice at once', async () => {
  const project = { projectPath: aFolder(), workTree: 'own' } as const;
  const first = await store.started(project);
  await noteTree(db, first.id, 'start', before);
  await store.end(await store.run(first.id));
  const { run: next } = await store.accept({ ...project, conversationId: first.conversation_id });
  await store.begin(next);
  const run = await cancelled(next);
  const caller = { tenantId: defaultTenant, name: 'first', surface: 'test', requestId: 'request' };
  const parts = { rewinds: { started() {} } } as unknown as VerbParts;
  const ask = () =>
    perform(store.log, 'test', (write) => rewindRun(parts, write, caller, { runId: first.id, to: 'start' }));
  await expect(ask()).rejects.toThrow(`Run ${run.id} is being rewound or brought home`);
  await rewound(run);
  expect((await ask()).body).toMatchObject({ runId: first.id, status: 'open' });
});
