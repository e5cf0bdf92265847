// Commands that are out to outlive their sandbox, and a sandbox whose worker or engine dies.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Sandbox } from '../../../../activities/sandbox/sandbox.ts';
import { run } from '../opened.ts';
import { isInTime, passGigabyte, wildCommands } from '../wild-commands.ts';
import { idleProcesses, openScene, type Scene, textOf } from './engine.ts';

test.for(Object.entries(wildCommands))(
  '%s is over two seconds after its deadline, and nothing is left',
  { tags: ['faults'] },
  async ([, command]) => {
    const { open, processes, containers } = await openScene();
    const { sandbox } = await open();
    const beside = await openBeside();
    await run(sandbox, 'true');
    const stop = new AbortController();
    const running = run(sandbox, command, stop.signal);
    await sleep(1000);
    stop.abort(new Error('time is up'));
    const inTime = isInTime(
      running.catch(() => {}),
      beside,
    );
    await expect(running).rejects.toThrow('time is up');
    const alive = (await containers()).some(({ State }) => State.Running) ? await processes() : idleProcesses;
    expect([await inTime, alive.sort()]).toEqual([true, idleProcesses]);
    // What is left is what the next command finds.
    expect((await run(sandbox, 'echo fine')).stdout).toBe('fine\n');
  },
);

test('a gigabyte of output passes through with bounded memory', { tags: ['faults'] }, async () => {
  const { open } = await openScene();
  await passGigabyte((await open()).sandbox);
});

test('a run may add no more to its tree than its limit, and what was there before does not count', {
  tags: ['faults'],
}, async () => {
  const { open, needs } = await openScene({
    limits: { memoryBytes: 512 * 2 ** 20, cpus: 1, processes: 100, diskBytes: 64 * 2 ** 20 },
  });
  writeFileSync(path.join(needs.workFolder, '..', 'project', 'before'), Buffer.alloc(128 * 2 ** 20));
  const { sandbox } = await open();
  const { result } = await run(sandbox, 'while :; do cat /dev/zero | head -c 8M >> file; sleep 0.1; done');
  expect(result).toEqual({
    exitCode: null,
    signal: 'SIGKILL',
    note: 'it was ended at the limit of 64 MB that a run may add to its work tree: remove what is not needed',
  });
});

test('what a killed worker was running ends at once, and another worker finds the container and its files', async () => {
  const scene = await openScene();
  const worker = await startWorker(
    scene,
    'one',
    'echo once >> runs; trap "" TERM; (setsid sleep 603 &); sleep 604',
  );
  const beside = await openBeside();
  await expect.poll(() => textOf(path.join(scene.project, 'runs'))).toBe('once\n');
  const [before] = await scene.containers();
  worker.kill('SIGKILL');
  const gone = expect.poll(async () => (await scene.andWaiting()).length).toBe(idleProcesses.length);
  expect(await isInTime(gone, beside)).toBe(true);
  const { sandbox } = await scene.open('one');
  expect((await run(sandbox, 'cat runs')).stdout).toBe('once\n');
  expect((await scene.containers()).map(({ Id }) => Id)).toEqual([before!.Id]);
});

test('a worker that is killed before the handle is recorded has run nothing', async () => {
  const scene = await openScene();
  const worker = await startWorker(scene, 'one', 'echo once >> runs', 'never-recorded');
  await expect.poll(async () => (await scene.andWaiting()).length).toBeGreaterThan(idleProcesses.length);
  worker.kill('SIGKILL');
  await expect.poll(async () => (await scene.andWaiting()).length).toBe(idleProcesses.length);
  expect(existsSync(path.join(scene.project, 'runs'))).toBe(false);
});

/** A sandbox of another installation, whose next command has its shell. */
async function openBeside(): Promise<Sandbox> {
  const { sandbox } = await (await openScene()).open();
  await run(sandbox, 'true');
  return sandbox;
}

async function startWorker(scene: Scene, id: string, ...rest: string[]): Promise<ChildProcess> {
  const script = path.join(import.meta.dirname, 'mortal-worker.ts');
  const given = [
    script,
    JSON.stringify(scene.needs),
    JSON.stringify({ id, tenantId: 'theirs', projectPath: scene.project }),
    ...rest,
  ];
  const worker = spawn(process.execPath, given, { stdio: 'inherit' });
  onTestFinished(() => void worker.kill('SIGKILL'));
  await once(worker, 'spawn');
  return worker;
}
