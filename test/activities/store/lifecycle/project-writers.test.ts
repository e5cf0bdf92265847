import { expect, test } from 'vitest';
import { noteTree } from '../../../../activities/store/lifecycle/begin-run.ts';
import { askUndo } from '../../../../activities/store/lifecycle/rewinds.ts';
import type { Failure } from '../../../../workflows/contracts/failures.ts';
import { delegatingRun } from '../../../support/delegating.ts';
import { openTestStore } from '../../../support/store.ts';

const store = await openTestStore();
let folders = 0;

function aFolder(): string {
  folders += 1;
  return `/srv/project-${folders}`;
}

async function refusalOf(accepting: Promise<unknown>): Promise<[string, unknown]> {
  const { code, extra } = (await accepting.then(
    () => Promise.reject(new Error('it was accepted')),
    (error: unknown) => error,
  )) as Failure;
  return [code, extra];
}

test('one conversation writes in a directory, and in what is above or below it, until its run ends', async () => {
  const place = aFolder();
  const { run } = await store.accept({ projectPath: `${place}/app` });
  const busy = ['ProjectBusy', { activeRunId: run.id }];
  for (const projectPath of [`${place}/app`, place, `${place}/app/src/deep`, '/'])
    expect([projectPath, await refusalOf(store.accept({ projectPath }))]).toEqual([projectPath, busy]);
  // A name that only begins alike, what reads only, what has a tree of its own, and its own conversation.
  await store.accept({ projectPath: `${place}/app-2` });
  await store.accept({ projectPath: place, mayWrite: false });
  await store.accept({ projectPath: place, workTree: 'own' });
  const { run: next } = await store.accept({
    projectPath: `${place}/app`,
    conversationId: run.conversation_id,
    whenBusy: 'queue',
  });
  await store.end(await store.run(run.id), { status: 'cancelled', reason: 'cancelled' });
  // The one that had been waiting its turn has it.
  expect(await refusalOf(store.accept({ projectPath: `${place}/app` }))).toEqual([
    'ProjectBusy',
    { activeRunId: next.id },
  ]);
  await store.end(await store.run(next.id), { status: 'failed', reason: 'workflow_gone' });
  expect((await store.accept({ projectPath: `${place}/app` })).became).toBe('started');
});

test('a subagent works in the directory of its main run, and holds it until it has stopped', async () => {
  const projectPath = aFolder();
  const { parent, child } = await delegatingRun(store, { projectPath });
  expect(child.project_path).toBe(projectPath);
  await store.end(parent, { status: 'interrupted', reason: 'interrupted' });
  const busy = ['ProjectBusy', { activeRunId: child.id }];
  expect(await refusalOf(store.accept({ projectPath }))).toEqual(busy);
  const { run: next } = await store.accept({ projectPath, conversationId: parent.conversation_id });
  await store.end(child, { status: 'interrupted', reason: 'interrupted' });
  await store.end(next, { status: 'cancelled', reason: 'cancelled' });
  expect((await store.accept({ projectPath })).became).toBe('started');
});

test('of many that come at once for overlapping directories one is accepted', async () => {
  const place = aFolder();
  const asked = Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? place : `${place}/sub`));
  const answers = await Promise.allSettled(asked.map((projectPath) => store.accept({ projectPath })));
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a hybrid run that succeeds holds its project until its changes are home, and leaves one alone that another writes in', async () => {
  const end = async (projectPath: string) => {
    const hybrid = { workTree: 'own', bringsHome: true, projectPath } as const;
    const { run } = await store.accept(hybrid);
    await store.begin(run);
    await noteTree(store.database.db, run.id, 'start', 'a'.repeat(40));
    await noteTree(store.database.db, run.id, 'end', 'b'.repeat(40));
    await store.end(await store.run(run.id), { status: 'succeeded', reason: 'finished' });
    return store.run(run.id);
  };
  const [free, taken] = [aFolder(), aFolder()];
  const { run: writer } = await store.accept({ projectPath: taken });
  const [home, kept] = [await end(free), await end(taken)];
  const told = await Promise.all([home, kept].map(async (run) => (await store.events(run)).at(-1)?.payload));
  expect(told).toEqual([
    expect.objectContaining({ toApply: true, bringsHome: true, rewindId: home.rewind_id }),
    expect.not.objectContaining({ bringsHome: true, rewindId: expect.anything() }),
  ]);
  expect([home.status, home.rewind_id, kept.status, kept.rewind_id]).toEqual([
    ...['succeeded', expect.any(String)],
    ...['succeeded', null],
  ]);
  expect(await refusalOf(store.accept({ projectPath: free }))).toEqual([
    'ProjectBusy',
    { activeRunId: home.id },
  ]);
  expect((await store.run(writer.id)).status).toBe('queued');
});

test('of a cancelled run whose changes are taken back the end does not say that they can be brought home', async () => {
  const ended = await Promise.all(
    [true, false].map(async (undo) => {
      const { run } = await store.accept({ workTree: 'own', projectPath: aFolder() });
      await store.begin(run);
      await noteTree(store.database.db, run.id, 'start', 'a'.repeat(40));
      await noteTree(store.database.db, run.id, 'end', 'b'.repeat(40));
      if (undo) await store.log.write('test', (write) => askUndo(write, run, 'ada'));
      await store.end(await store.run(run.id), { status: 'cancelled', reason: 'cancelled' });
      const end = (await store.events(run)).at(-1);
      if (end?.type !== 'run-end') throw new Error(`It ended with ${end?.type}.`);
      const { toApply, rewindId } = end.payload;
      return [toApply, rewindId === (await store.run(run.id)).rewind_id];
    }),
  );
  expect(ended).toEqual([
    [undefined, true],
    [true, false],
  ]);
});

test('what a hybrid run has left to the next one comes home with that, though it changes nothing itself', async () => {
  const projectPath = aFolder();
  const hybrid = { workTree: 'own', bringsHome: true, projectPath } as const;
  const { run: first } = await store.accept(hybrid);
  await store.begin(first);
  const { run: next } = await store.accept({
    ...hybrid,
    conversationId: first.conversation_id,
    whenBusy: 'queue',
  });
  const [before, after] = ['a'.repeat(40), 'b'.repeat(40)];
  const end = async (id: string, start: string) => {
    await noteTree(store.database.db, id, 'start', start);
    await noteTree(store.database.db, id, 'end', after);
    await store.end(await store.run(id), { status: 'succeeded', reason: 'finished' });
    return (await store.run(id)).rewind_id;
  };
  expect(await end(first.id, before)).toBeNull();
  await store.begin(await store.run(next.id));
  expect(await end(next.id, after)).toEqual(expect.any(String));
});
