// Commands that are out to outlive bubblewrap, or to use up the machine from within.
import { spawn } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createBubblewrap } from '../../../../activities/sandbox/bubblewrap/bubblewrap.ts';
import { createCgroups } from '../../../../activities/sandbox/bubblewrap/cgroup.ts';
import type { Act } from '../another-worker.ts';
import { type Opened, openInFolder, run } from '../opened.ts';
import { isInTime, passGigabyte, wildCommands } from '../wild-commands.ts';

const limits = { memoryBytes: 512 * 2 ** 20, processes: 100 };

async function openForTest(): Promise<Opened> {
  const opened = await openInFolder(
    (needs) => createBubblewrap({ ...needs, limits }),
    () => ({ programs: '/usr/local/bin:/usr/bin:/bin', gitBounds: async () => ({}) }),
  );
  onTestFinished(() => opened.dispose());
  return opened;
}

/** Processes of the machine that stand in a project. */
function processesIn(project: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/cwd`).startsWith(project);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

// Where the kernel holds no limit and nothing but a look ends it, a bomb would hit all tests.
const lacking = await createCgroups().lacks();
const isLimited = !lacking.includes('processes');
const commands = Object.entries(wildCommands).filter(
  ([name]) => isLimited || !name.startsWith('a fork bomb'),
);

test.for(commands)(
  '%s is over two seconds after its deadline or at its limit, and nothing is left',
  { tags: ['faults'] },
  async ([, command]) => {
    const { sandbox, project } = await openForTest();
    const beside = await openForTest();
    const stop = new AbortController();
    // Other tests end whatever carries the usual key.
    const running = run(sandbox, command, stop.signal, undefined, 'wild/1.0').then(
      ({ result }) => result.note ?? 'ended',
      (error: Error) => error.message,
    );
    await sleep(1000);
    stop.abort(new Error('time is up'));
    expect(await isInTime(running, beside.sandbox)).toBe(true);
    expect(await running).toMatch(/time is up|at its limit of (100 processes|512 MB of memory)/);
    expect(processesIn(project)).toEqual([]);
    const next = await run(sandbox, 'echo fine', undefined, undefined, 'wild/1.2');
    expect([next.result, next.stdout]).toEqual([{ exitCode: 0, signal: null }, 'fine\n']);
  },
);

test('more processes than may be are ended, also where they hide from their group', async () => {
  const { sandbox, project } = await openForTest();
  const hidden = 'trap "" TERM; for i in $(seq 150); do env -i setsid sleep 600 & done; sleep 600';
  const { result } = await run(sandbox, hidden, AbortSignal.timeout(120_000), undefined, 'wild/1.1');
  const note = 'it was ended at its limit of 100 processes: start fewer at once';
  // Of another user the kernel has let no more be started.
  if (process.getuid?.() === 0) expect(result).toEqual({ exitCode: null, signal: 'SIGKILL', note });
  expect(processesIn(project)).toEqual([]);
});

test.skipIf(lacking.includes('memory')).for([
  { takes: 'taken at once', command: 'head -c 1G /dev/zero | tail -n 1; exit 3', exit: [3, null] },
  { takes: 'of files in /tmp', command: 'head -c 1G /dev/zero >/tmp/much; exit 3', exit: [null, 'SIGKILL'] },
])('memory $takes is held to the limit by the kernel, and the next command goes on', async (row) => {
  const { sandbox } = await openForTest();
  const { result } = await run(sandbox, row.command, AbortSignal.timeout(120_000), undefined, 'wild/1.4');
  const note = 'the sandbox came to its limit of memory and a process was ended: do less at once';
  expect(result).toEqual({ exitCode: row.exit[0], signal: row.exit[1], note });
  const next = await run(sandbox, 'echo fine', undefined, undefined, 'wild/1.4');
  expect([next.result, next.stdout]).toEqual([{ exitCode: 0, signal: null }, 'fine\n']);
});

/** Of the processes that stand in a project: the cgroups that were made for them. */
function cgroupsIn(project: string): string[] {
  const told = processesIn(project).map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
    } catch {
      // One of the command's sleeps, which has ended meanwhile.
      return '';
    }
  });
  const names = new Set(told.flatMap((text) => text.match(/perdure-[^/\n]+$/gm) ?? []));
  return [...names].flatMap((name) => globSync(`/sys/fs/cgroup/**/${name}`));
}

const untilGo = 'touch up; until [ -e go ]; do sleep 0.05; done';

test('nothing is left of the cgroups of a command', async () => {
  const { sandbox, project } = await openForTest();
  const running = run(sandbox, untilGo, undefined, undefined, 'wild/1.5');
  await expect.poll(() => existsSync(path.join(project, 'up'))).toBe(true);
  const cgroups = cgroupsIn(project);
  writeFileSync(path.join(project, 'go'), '');
  await running;
  expect([cgroups.length > 0, cgroups.filter(existsSync)]).toEqual([
    isLimited && process.getuid?.() === 0,
    [],
  ]);
});

test('a command ends with its worker though no other comes, and the next sweep removes its cgroups', async () => {
  const { driver, needs, project, run: owner } = await openForTest();
  const act: Act = { mode: driver.mode, run: owner, read: 'none', command: `trap "" TERM HUP; ${untilGo}` };
  const script = path.join(import.meta.dirname, '../another-worker.ts');
  const worker = spawn(process.execPath, [script, JSON.stringify(needs), JSON.stringify(act)], {
    stdio: 'ignore',
  });
  onTestFinished(() => void worker.kill('SIGKILL'));
  await expect.poll(() => existsSync(path.join(project, 'up'))).toBe(true);
  const cgroups = cgroupsIn(project);
  worker.kill('SIGKILL');
  await expect.poll(() => processesIn(project)).toEqual([]);
  await driver.sweep([]);
  expect(cgroups.filter(existsSync)).toEqual([]);
});

test('a gigabyte of output passes through with bounded memory', { tags: ['faults'] }, async () => {
  await passGigabyte((await openForTest()).sandbox);
});
