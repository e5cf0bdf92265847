import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createRunSandboxes, type RunSandboxes } from '../../../activities/sandbox/run-sandboxes.ts';
import type { Handle, Sandbox, SandboxDriver } from '../../../activities/sandbox/sandbox.ts';

const one = { id: 'one', tenantId: 'tenant', projectPath: null, mode: 'mount' };
const command = { command: 'true', key: 'one/1.0', signal: new AbortController().signal };
const running = { ...command, onStart: async () => {}, onOutput() {} };

interface Scene {
  sandboxes: RunSandboxes;
  told: string[];
  failures: unknown[];
  /** Ends the command that was started. */
  endCommand(): void;
}

/** Two drivers that tell what is asked of them. */
function scene(idleMs = 60_000, open: () => Promise<void> = async () => {}): Scene {
  const told: string[] = [];
  const failures: unknown[] = [];
  const { promise: ended, resolve: endCommand } = Promise.withResolvers<void>();
  const drivers = (['mount', 'bubblewrap'] as const).map(
    (mode): SandboxDriver => ({
      mode,
      contains: { files: false, network: false, processes: false },
      reach: 'contains nothing',
      probe: async () => ({ ok: true }),
      async open({ id }) {
        told.push(`open ${mode} ${id}`);
        await open();
        return {
          async forCall({ mayUse } = {}) {
            told.push(`for a call ${mayUse ? mayUse('.', 'itself') : 'of any'}`);
            const exec = async () => ended.then(() => ({ exitCode: 0, signal: null }));
            return { root: id, exec } as Partial<Sandbox> as Sandbox;
          },
          close: async (run) => void told.push(`close ${id} ${run}`),
        };
      },
      async kill({ at }) {
        told.push(`kill ${mode} ${String(at)}`);
        return 'gone';
      },
      isAlive: async () => true,
      sweep: async (handles) => void told.push(`sweep ${mode} ${handles.map(({ at }) => at).join()}`),
      kept: {
        runIds: async () => (mode === 'mount' ? ['one', 'two', 'three'] : []),
        remove: async (runId) => void told.push(`remove ${mode} ${runId}`),
      },
    }),
  );
  const onFailure = (error: unknown): void => void failures.push(error);
  return { sandboxes: createRunSandboxes({ drivers, onFailure, idleMs }), told, failures, endCommand };
}

test('a run has one sandbox of its kind, opened once, in which each call has its own rule', async () => {
  const { sandboxes, told } = scene();
  const [left, right] = await Promise.all([sandboxes.lend(one, () => 'no'), sandboxes.lend(one)]);
  await Promise.all([left.close(), right.close()]);
  await (await sandboxes.lend(one)).close();
  await (await sandboxes.lend({ ...one, id: 'two', mode: 'bubblewrap' })).close();
  expect(told.filter((line) => line.startsWith('open'))).toEqual(['open mount one', 'open bubblewrap two']);
  expect(told).toContain('for a call no');
  expect(sandboxes.runIds()).toEqual(['one', 'two']);
});

test('it is let go when the run has ended and nothing uses it any more, a command in the background included', async () => {
  const { sandboxes, told, endCommand } = scene();
  const lent = await sandboxes.lend(one);
  const executing = lent.exec(running);
  await sandboxes.endRun('one');
  await lent.close();
  expect(told).not.toContain('close one ended');
  endCommand();
  await executing;
  expect([told.at(-1), sandboxes.runIds()]).toEqual(['close one ended', []]);
  await sandboxes.endRun('one');
});

test('it is let go when it was not used for a while, and opened again by the next call', async () => {
  const { sandboxes, told } = scene(5);
  await (await sandboxes.lend(one)).close();
  const lent = await sandboxes.lend(one);
  await sleep(30);
  expect(sandboxes.runIds(), 'while it is used').toEqual(['one']);
  await lent.close();
  await expect.poll(() => told.at(-1)).toBe('close one goes-on');
  await (await sandboxes.lend(one)).close();
  expect(told.filter((line) => line.startsWith('open'))).toHaveLength(2);
  await sandboxes.close();
});

test('what could not be opened is tried again, and what could not be let go of is told', async () => {
  let opens = 0;
  const { sandboxes, failures } = scene(60_000, async () => {
    opens += 1;
    if (opens === 1) throw new Error('no room');
  });
  await expect(sandboxes.lend(one)).rejects.toThrow('no room');
  await (await sandboxes.lend(one)).close();
  await sandboxes.close();
  expect([failures, sandboxes.runIds()]).toEqual([[], []]);
});

test('a call that could not begin does not hold it', async () => {
  const { sandboxes, told } = scene();
  const moved = (): never => {
    throw new Error('The tree was moved.');
  };
  await expect(sandboxes.lend(one, moved)).rejects.toThrow('The tree was moved.');
  await sandboxes.endRun('one');
  expect(told.at(-1)).toBe('close one ended');
});

test('of what workers have left, that of runs that go on or are held here stays', async () => {
  const { sandboxes, told } = scene();
  const lent = await sandboxes.lend(one);
  await sandboxes.removeEnded(async (runIds) => runIds.filter((runId) => runId === 'two'));
  await lent.close();
  expect(told.filter((line) => line.startsWith('remove'))).toEqual(['remove mount three']);
});

test('handles go to the driver of their kind; of another kind nobody here can tell', async () => {
  const { sandboxes, told } = scene();
  const handles: Handle[] = ['bubblewrap', 'mount', 'other'].map((kind) => ({ kind, at: `a ${kind}` }));
  expect(await Promise.all(handles.map(sandboxes.kill))).toEqual(['gone', 'gone', 'elsewhere']);
  expect(await Promise.all(handles.map(sandboxes.isAlive))).toEqual([true, true, false]);
  await sandboxes.sweep(handles);
  expect(told).toEqual([
    'kill bubblewrap a bubblewrap',
    'kill mount a mount',
    'sweep mount a mount',
    'sweep bubblewrap a bubblewrap',
  ]);
});
