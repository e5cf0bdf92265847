// A run whose commands are contained, from its prompt to the project: one list for every kind that contains.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { recordedSpans } from '../../activities/store/runs/checkpoints.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import { createTrees } from '../../worker/processes/trees.ts';
import type { ExecMode, WorkTree } from '../../workflows/contracts/run.ts';
import { aRun } from '../support/accepting.ts';
import type { Kernel } from '../support/kernel.ts';
import { requestApply, requestUndo, rewindEnded } from '../support/rewinding.ts';
import { contentsOf } from '../activities/git/rewinding.ts';

const shell = (command: string) => ({ tool: 'shell', input: { command } });
const write = (name: string, content: string) => ({ tool: 'write', input: { path: name, content } });

const work = 'cat a.txt; mkdir -p sub; echo made > sub/made.txt; echo more >> new.txt; rm old.txt';

async function projectOf(kernel: Kernel): Promise<string> {
  const project = await kernel.project();
  await writeFile(path.join(project, 'a.txt'), 'a\n');
  await writeFile(path.join(project, 'old.txt'), 'old\n');
  return project;
}

const before = new Map([
  ['a.txt', 'a\n'],
  ['old.txt', 'old\n'],
]);
const after = new Map([
  ['a.txt', 'b\n'],
  ['new.txt', 'new\nmore\n'],
  ['sub/made.txt', 'made\n'],
]);

export function containedRuns(kernel: Kernel, execMode: ExecMode, workTree: WorkTree): void {
  const how = { execMode, workTree, policy: 'trusted-mount-autonomous' };

  test(`a run in ${execMode}, ${workTree}, edits and runs commands, and ends with its changes where they belong`, async () => {
    const projectPath = await projectOf(kernel);
    const secret = path.join(kernel.folder, 'outside.txt');
    await writeFile(secret, 'outside\n');
    const run = await kernel.start({
      ...how,
      projectPath,
      model: await kernel.script(
        { calls: [write('new.txt', 'new\n'), write('a.txt', 'b\n'), shell('touch passing.txt')] },
        { calls: [shell(`${work}; rm passing.txt; cat ${secret}; id -u; git status --short`)] },
        { text: 'So: {{result:0}}' },
      ),
    });
    const ended = await kernel.ended(run);
    expect([ended.status, ended.final_message]).toEqual(['succeeded', expect.stringContaining('b\n')]);
    const end = await kernel.seen(run, 'run-end');
    expect((end.payload as { toApply?: true }).toApply).toBe(workTree === 'own' ? true : undefined);
    expect(ended.final_message).toContain('No such file');
    expect(ended.final_message).not.toContain('outside\n');
    const spans = await recordedSpans(kernel.store.database.db, ended);
    const changed = (await createTrees(kernel.folder).views.diff(ended, spans)).files.map(
      (file) => file.path,
    );
    expect(changed.sort()).toEqual(['a.txt', 'new.txt', 'old.txt', 'sub/made.txt']);
    if (workTree === 'in-place') {
      expect(contentsOf(projectPath)).toEqual(after);
      expect(await requestUndo(kernel, run)).toMatchObject({ status: 'done', kept: [] });
      expect(contentsOf(projectPath)).toEqual(before);
      return;
    }
    expect(contentsOf(projectPath)).toEqual(before);
    expect(await requestApply(kernel, run)).toMatchObject({ status: 'done', restored: 4, kept: [] });
    expect(contentsOf(projectPath)).toEqual(after);
    // A follow-up finds what the run before has made, as a command of its own.
    const next = await kernel.start({
      ...how,
      projectPath,
      conversationId: run.conversation_id,
      model: await kernel.script(
        { calls: [shell('echo again >> new.txt; cat new.txt')] },
        { text: 'So: {{result:0}}' },
      ),
    });
    expect((await kernel.ended(next)).final_message).toContain('new\nmore\nagain\n');
    expect(await requestApply(kernel, next)).toMatchObject({ status: 'done', restored: 1, kept: [] });
    expect(await readFile(path.join(projectPath, 'new.txt'), 'utf8')).toBe('new\nmore\nagain\n');
  });
}

/** The same with changes that come home by themselves. */
export function hybridRuns(kernel: Kernel, execMode: ExecMode): void {
  test(`a run in hybrid, in ${execMode}, brings its changes home when it succeeds, and overwrites nothing`, async () => {
    const projectPath = await projectOf(kernel);
    const how = { execMode, workTree: 'own', bringsHome: true, policy: 'trusted-mount-autonomous' } as const;
    const run = await kernel.start({
      ...{ ...how, projectPath },
      model: await kernel.script(
        { calls: [shell('echo one > a.txt; echo one > one.txt')] },
        { text: 'Done.' },
      ),
    });
    expect((await kernel.ended(run)).status).toBe('succeeded');
    expect(await broughtHome(kernel, run)).toMatchObject({
      kind: 'apply',
      status: 'done',
      restored: 2,
      kept: [],
    });
    const home = new Map([
      ['a.txt', 'one\n'],
      ['old.txt', 'old\n'],
      ['one.txt', 'one\n'],
    ]);
    expect(contentsOf(projectPath)).toEqual(home);

    await writeFile(path.join(projectPath, 'a.txt'), 'person\n');
    const next = await kernel.start({
      ...{ ...how, projectPath, conversationId: run.conversation_id },
      model: await kernel.script(
        { calls: [shell('cat a.txt; echo two > a.txt; echo two > two.txt')] },
        { text: 'Done.' },
      ),
    });
    await kernel.ended(next);
    expect(await broughtHome(kernel, next)).toMatchObject({
      status: 'failed',
      kept: [{ path: 'a.txt', why: 'changed' }],
      problem: expect.stringContaining('nothing was'),
    });
    expect(contentsOf(projectPath)).toEqual(new Map([...home, ['a.txt', 'person\n']]));
    const own = createTrees(kernel.folder).place(next) ?? '';
    expect(await readFile(path.join(own, 'two.txt'), 'utf8')).toBe('two\n');

    // What did not succeed stays where it is.
    const failed = await kernel.start({
      ...{ ...how, projectPath: await projectOf(kernel), limits: { ...aRun().limits, steps: 1 } },
      model: await kernel.script({ calls: [shell('echo three > a.txt')] }, { text: 'Done.' }),
    });
    expect((await kernel.ended(failed)).status).toBe('failed');
    expect((await kernel.seen(failed, 'run-end')).payload).toMatchObject({ toApply: true });
    expect((await kernel.seen(failed, 'run-end')).payload).not.toHaveProperty('bringsHome');
    expect(contentsOf(failed.project_path ?? '')).toEqual(before);
  });
}

/** What the end of the run began by itself, as its last event names it. */
async function broughtHome(kernel: Kernel, run: RunRow) {
  const { payload } = await kernel.seen(run, 'run-end');
  expect(payload).toMatchObject({ toApply: true, bringsHome: true, rewindId: expect.any(String) });
  return rewindEnded(kernel, run, (payload as { rewindId: string }).rewindId);
}
