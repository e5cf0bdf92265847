// An engine of the test's own, killed and started again, and with what a killed one leaves half done.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  createOwnEngine,
  importSmallImage,
  type OwnEngine,
  ownEngineProblem,
} from '../../../support/own-engine.ts';
import { run } from '../opened.ts';
import { openScene, type Scene, textOf } from './engine.ts';

// An engine of its own takes five seconds; this only ends a hang.
const timeout = 180_000;
const noEngine = ownEngineProblem() !== undefined;

/** Gone with the test. */
async function openOwn(docker: { runtime?: string } = {}): Promise<Scene & { engine: OwnEngine }> {
  const engine = await createOwnEngine('--add-runtime', 'fails=/bin/false');
  onTestFinished(() => engine.remove());
  await engine.start();
  await importSmallImage(engine, 'small');
  return { engine, ...(await openScene({ address: engine.socket, image: 'small', ...docker })) };
}

test.skipIf(noEngine)(
  'an engine that is killed in the middle of a command is waited for; the command has ended, is not run again, and its outcome is said to be unknown',
  { tags: ['faults'], timeout },
  async () => {
    const { engine, open, project, driver } = await openOwn();
    const { sandbox } = await open('one');
    const running = run(sandbox, 'echo once >> runs; sleep 606; echo late >> runs');
    await expect.poll(() => textOf(path.join(project, 'runs'))).toBe('once\n');
    await engine.kill();
    await engine.start();
    const { result, handle } = await running;
    expect([result, await driver.isAlive(handle), await driver.kill(handle)]).toEqual([
      { exitCode: null, signal: null, note: expect.stringMatching('how far it came is not known') },
      false,
      'gone',
    ]);
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toMatch(/^sleep 606$/m);
    expect((await run(sandbox, 'cat runs')).stdout).toBe('once\n');
    expect(readFileSync(path.join(project, 'runs'), 'utf8')).toBe('once\n');
  },
);

test.skipIf(noEngine)(
  'a container that can never start, for a killed engine has left part of it, gives way to a new one',
  { tags: ['faults'], timeout },
  async () => {
    const { engine, open, containers, docker } = await openOwn();
    const { sandbox } = await open('one');
    await run(sandbox, 'echo kept > file');
    const [old] = await containers();
    await docker.getContainer(old!.Id).kill();
    // As an engine does that is killed while it starts one.
    mkdirSync(path.join(engine.folder, 'state/io.containerd.runtime.v2.task/moby', old!.Id));
    await expect(docker.getContainer(old!.Id).start()).rejects.toThrow('file exists');
    expect((await run(sandbox, 'cat file')).stdout).toBe('kept\n');
    expect((await containers()).map(({ Id, State }) => [Id === old!.Id, State.Running])).toEqual([
      [false, true],
    ]);
  },
);

test.skipIf(noEngine)(
  'a container that runs, and in which nothing can be started any more, gives way to a new one',
  { tags: ['faults'], timeout },
  async () => {
    const { engine, open, containers } = await openOwn();
    const { sandbox } = await open('one');
    await run(sandbox, 'echo kept > file');
    const [old] = await containers();
    rmSync(path.join(engine.folder, 'exec/runtime-runc/moby', old!.Id), { recursive: true });
    // The first one finds the shell that waits.
    expect((await run(sandbox, 'cat file')).stdout).toBe('kept\n');
    expect((await run(sandbox, 'cat file')).stdout).toBe('kept\n');
    expect((await containers()).map(({ Id }) => Id === old!.Id)).toEqual([false]);
  },
);

test.skipIf(noEngine)(
  'an engine that never gets a container to run is asked six times, and the reason is told',
  { tags: ['faults'], timeout },
  async () => {
    const { open, containers } = await openOwn({ runtime: 'fails' });
    const { opened, sandbox } = await open('one');
    await expect(run(sandbox, 'true')).rejects.toThrow(
      /^the command was not run in 6 tries; the reason of the last: the Docker engine could not start the sandbox \(.*OCI runtime.*; a person has to see to it$/,
    );
    await opened.close('ended');
    expect(await containers()).toEqual([]);
  },
);
