// What every sandbox's handles name, and what they do not; and what another worker finds of a run's sandbox.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Handle } from '../../../activities/sandbox/sandbox.ts';
import type { Act } from './another-worker.ts';
import { type Opened, run } from './opened.ts';

const endless = 'trap "" TERM HUP; (setsid sleep 600 &); sleep 600 & sleep 600; sleep 600';

async function anotherWorker({ needs }: Opened, act: Act): Promise<string> {
  const script = path.join(import.meta.dirname, 'another-worker.ts');
  const given = [script, JSON.stringify(needs), JSON.stringify(act)];
  return (await promisify(execFile)(process.execPath, given)).stdout;
}

/** A command that does not end by itself, with its handle as it is read back from where it is stored. */
async function begin({ sandbox }: Opened): Promise<{ handle: Handle; ended: ReturnType<typeof run> }> {
  const { promise, resolve } = Promise.withResolvers<Handle>();
  const ended = run(sandbox, endless, undefined, (handle) =>
    resolve(JSON.parse(JSON.stringify(handle)) as Handle),
  );
  return { handle: await promise, ended };
}

export function handleRules(opened: () => Opened): void {
  test('a command is killed by its handle, which returns when it is seen gone, and may be killed again', async () => {
    const { driver } = opened();
    const { handle, ended } = await begin(opened());
    expect([handle.kind, await driver.isAlive(handle)]).toEqual([driver.mode, true]);
    expect([await driver.kill(handle), await driver.isAlive(handle)]).toEqual(['gone', false]);
    expect((await ended).result.signal).toBe('SIGKILL');
    expect(await driver.kill(handle)).toBe('gone');
  });

  test('another process kills a command of which it has only what is stored', async () => {
    const { driver } = opened();
    const { handle, ended } = await begin(opened());
    expect(await anotherWorker(opened(), { kill: handle })).toBe('gone');
    expect(await driver.isAlive(handle)).toBe(false);
    await ended;
  });

  test('a handle whose number was given to a stranger since neither finds nor kills it', async () => {
    const { driver, reused } = opened();
    const { handle, ended } = await begin(opened());
    const stale = reused(handle);
    expect([await driver.isAlive(stale), await driver.kill(stale)]).toEqual([false, 'gone']);
    await driver.sweep([stale]);
    expect(await driver.isAlive(handle)).toBe(true);
    await driver.kill(handle);
    await ended;
  });

  test('what cannot be reached from here is said to be elsewhere, and a sweep leaves the living alone', async () => {
    const { driver, elsewhere } = opened();
    const { handle, ended } = await begin(opened());
    expect([await driver.isAlive(elsewhere(handle)), await driver.kill(elsewhere(handle))]).toEqual([
      false,
      'elsewhere',
    ]);
    await driver.sweep([elsewhere(handle)]);
    expect(await driver.isAlive(handle)).toBe(true);
    await driver.kill(handle);
    await ended;
  });
}

export function openingRules(opened: () => Opened): void {
  test('a sandbox that another worker opens again has the same files', async () => {
    const { driver, sandbox, run: owner } = opened();
    await sandbox.write('kept/file', Buffer.from('from here'));
    const act = { mode: driver.mode, run: owner, read: 'kept/file', command: 'echo from there > kept/other' };
    expect(await anotherWorker(opened(), act)).toBe('from here');
    expect(String(await sandbox.read('kept/other', 100))).toBe('from there\n');
  });

  test('each call may use what its own rule lets it use, and commands are not held to it', async () => {
    const { open } = opened();
    const sandbox = await open();
    const closed = await sandbox.forCall({
      mayUse: (real) => (real === 'secret' ? 'secrets are closed' : undefined),
    });
    const free = await sandbox.forCall();
    await free.write('secret', Buffer.from('text'));
    await expect(closed.read('secret', 100)).rejects.toThrow('secrets are closed');
    expect(await closed.list('.')).toEqual([]);
    expect([(await run(closed, 'cat secret')).stdout, String(await free.read('secret', 100))]).toEqual([
      'text',
      'text',
    ]);
    await sandbox.close('ended');
  });
}
