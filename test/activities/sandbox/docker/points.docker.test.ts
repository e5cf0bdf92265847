// A worker that is killed at each point of a container's life, one by one. Another one finds what is there.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createRunSandboxes } from '../../../../activities/sandbox/run-sandboxes.ts';
import { run } from '../opened.ts';
import { idleProcesses, openScene, type Scene } from './engine.ts';
import { createHaltingProxy, type Halt } from './halting-proxy.ts';

/** How often the command has run by then. */
type Point = Halt & { runs: 0 | 1 };

const made = /^POST \/containers\/create/;
const started = /^POST \/containers\/\w+\/start/;
const prepared = /^POST \/containers\/\w+\/exec/;
const begun = /^POST \/exec\/\w+\/start/;
const removed = /^DELETE \/containers\//;

const points: Record<string, Point> = {
  'before its container is made': { request: made, when: 'before', runs: 0 },
  'with a container that does not run yet': { request: made, when: 'after', runs: 0 },
  'before its container is started': { request: started, when: 'before', runs: 0 },
  'with a container that runs': { request: started, when: 'after', runs: 0 },
  'with a command that is prepared': { request: prepared, when: 'after', runs: 0 },
  'before a command is started': { request: begun, when: 'before', runs: 0 },
  'with a command that is started and not told to act': { request: begun, when: 'after', runs: 0 },
  'before its container is removed, with the result read': { request: removed, when: 'before', runs: 1 },
  'with its container removed': { request: removed, when: 'after', runs: 1 },
};

test.for(Object.entries(points))(
  'a worker that is killed %s leaves nothing that another one cannot take over, and nothing at the end',
  { tags: ['faults'] },
  async ([, { runs, ...halt }]) => {
    const scene = await openScene();
    const { project, folder } = scene;
    const socket = path.join(folder, 'proxy.sock');
    const { halted } = await createHaltingProxy(scene.needs.docker.address, socket, halt);
    const worker = await startWorker(scene, socket);
    await halted;
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    const { opened, sandbox } = await scene.open('one');
    expect(await run(sandbox, 'echo again >> runs')).toMatchObject({ result: { exitCode: 0 } });
    const file = path.join(project, 'runs');
    expect(readFileSync(file, 'utf8')).toBe(`${'once\n'.repeat(runs)}again\n`);
    expect((await scene.containers()).length).toBe(1);
    // The script around a command that is not told to act ends by itself.
    await expect.poll(async () => (await scene.processes()).length).toBe(idleProcesses.length);
    await opened.close('ended');
    await expectNothing(scene);
  },
);

test('what a worker has left that died as its run ended is removed by the next one', {
  tags: ['faults'],
}, async () => {
  for (const when of ['before', 'after'] as const) {
    const scene = await openScene();
    const socket = path.join(scene.folder, 'proxy.sock');
    const { halted } = await createHaltingProxy(scene.needs.docker.address, socket, {
      request: removed,
      when,
    });
    const worker = await startWorker(scene, socket);
    await halted;
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    expect(existsSync(path.join(scene.needs.viewFolder, 'ways-out', 'one'))).toBe(true);
    const sandboxes = createRunSandboxes({ drivers: [scene.driver], onFailure: () => {} });
    await sandboxes.removeEnded(async () => []);
    await expectNothing(scene);
  }
});

async function expectNothing(scene: Scene): Promise<void> {
  expect(await scene.containers()).toEqual([]);
  expect(await readdir(path.join(scene.needs.viewFolder, 'ways-out'))).toEqual([]);
}

/** Runs one command of run `one` and ends it, through the socket. */
async function startWorker(scene: Scene, address: string): Promise<ChildProcess> {
  const script = path.join(import.meta.dirname, 'mortal-worker.ts');
  const needs = { ...scene.needs, docker: { ...scene.needs.docker, address } };
  const owner = { id: 'one', tenantId: 'theirs', projectPath: scene.project };
  const given = [script, JSON.stringify(needs), JSON.stringify(owner), 'echo once >> runs', 'ends'];
  const worker = spawn(process.execPath, given, { stdio: 'inherit' });
  onTestFinished(() => void worker.kill('SIGKILL'));
  await once(worker, 'spawn');
  return worker;
}
