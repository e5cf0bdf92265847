import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { groupHandles, toHandle } from '../../../../activities/sandbox/group/handles.ts';
import {
  groupIsAlive,
  groupOf,
  identityOf,
  isDeadWorker,
  killGroup,
  killMarked,
  killOrphans,
  marksFor,
  type ProcessGroup,
} from '../../../../activities/sandbox/group/process-group.ts';
import { findProcess } from '../../../../activities/host/process-table.ts';

// What carries a mark is killed wherever it runs on the machine.
const own = randomBytes(4).toString('hex');
const marksOfNobody = { PATH: '/usr/bin:/bin' };

function start(command: string, marks: Record<string, string>): { child: ChildProcess; pid: number } {
  const child = spawn('/bin/sh', ['-c', command], {
    detached: true,
    env: { ...marksOfNobody, ...marks },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    try {
      // The shell and what it started.
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch (error) {
      expect(error).toMatchObject({ code: 'ESRCH' });
    }
    await exited;
  });
  return { child, pid: child.pid as number };
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [chunk] = (await once(child.stdout!, 'data')) as [Buffer];
  return chunk.toString().trim();
}

const isAlive = (pid: number): boolean => findProcess(pid)?.dead === false;

test('a group is killed with what left it, and is seen gone', async () => {
  const { child, pid } = start('setsid sleep 600 & echo $!; sleep 600', marksFor(`${own}-t1`, `${own}/2.0`));
  const group = groupOf(pid, `${own}-t1`);
  const stray = Number(await firstLine(child));
  expect(groupIsAlive(group)).toBe(true);
  await killGroup(group);
  expect([groupIsAlive(group), isAlive(pid), isAlive(stray)]).toEqual([false, false, false]);
  await killGroup(group);
});

test('members of a group are found after its leader died', async () => {
  const { child, pid } = start('sleep 600 & echo $!', marksFor(`${own}-t2`, `${own}/2.1`));
  const group = groupOf(pid, `${own}-t2`);
  const exited = once(child, 'exit');
  const member = Number(await firstLine(child));
  await exited;
  expect([isAlive(pid), groupIsAlive(group)]).toEqual([false, true]);
  await killGroup(group);
  expect(isAlive(member)).toBe(false);
});

test('a process that has got the number of a dead group is never hit', async () => {
  const stranger = start('sleep 600', {});
  const other = start('sleep 600', marksFor(`${own}-other`, `${own}/2.2`));
  const orphaned = start('sleep 600 & echo $!', marksFor(`${own}-third`, `${own}/2.3`));
  const member = Number(await firstLine(orphaned.child));
  if (orphaned.child.exitCode === null) await once(orphaned.child, 'exit');
  const recordedFor = (pid: number): ProcessGroup => ({ pgid: pid, startedTicks: 'long:ago:mine' });
  for (const pid of [stranger.pid, other.pid, orphaned.pid]) await killGroup(recordedFor(pid));
  expect([stranger.pid, other.pid, member].map(isAlive)).toEqual([true, true, true]);
  await killMarked(`${own}/2.3`);
  expect([other.pid, member].map(isAlive)).toEqual([true, false]);
});

test('a command is killed with what an earlier attempt of its call has left, of which nothing is on record', async () => {
  const [left, now, other] = [`${own}/4.0`, `${own}/4.0`, `${own}/4.1`].map((call, index) =>
    start('sleep 600', marksFor(`${own}-${index}`, call)),
  ) as [ReturnType<typeof start>, ReturnType<typeof start>, ReturnType<typeof start>];
  const handle = toHandle('mount', groupOf(now.pid, `${own}-1`), `${own}/4.0`);
  expect(await groupHandles.kill(handle)).toBe('gone');
  expect([left, now, other].map(({ pid }) => isAlive(pid))).toEqual([false, false, true]);
});

test('a worker of another container on this machine is never taken for dead', () => {
  const [here, pid, started] = identityOf(process.pid).split('/');
  expect(
    [`${here}/${pid}/${started}`, `${here}/${pid}/long:ago`, `another/${pid}/long:ago`].map(isDeadWorker),
  ).toEqual([false, true, false]);
});

test('orphans of a killed worker are killed, and those of a living one are not', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-orphans-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const worker = spawn(process.execPath, [path.join(import.meta.dirname, 'orphan-maker.ts'), folder], {
    stdio: 'inherit',
  });
  const exited = once(worker, 'exit');
  const ours = start('sleep 600', marksFor(`${own}-ours`, `${own}/3.0`));
  const theirs = start('exec sleep 600', {
    ...marksFor(`${own}-theirs`, `${own}/3.1`),
    PERDURE_WORKER: identityOf(worker.pid as number),
  });
  const endOfTheirs = once(theirs.child, 'exit');
  const pids = (): number[] => {
    try {
      return readFileSync(path.join(folder, 'pids'), 'utf8').trim().split('\n').map(Number);
    } catch {
      return [];
    }
  };
  while (pids().length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  await killOrphans();
  expect(pids().map(isAlive)).toEqual([true, true, true]);
  worker.kill('SIGKILL');
  await exited;
  await killOrphans();
  expect(pids().map(isAlive)).toEqual([false, false, false]);
  // It has not ended with its worker. Tests beside this one sweep the machine as well.
  expect([await endOfTheirs, isAlive(ours.pid)]).toEqual([[null, 'SIGKILL'], true]);
});

test('a command whose worker dies before it was told to start never acts', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-orphans-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const maker = path.join(import.meta.dirname, 'orphan-maker.ts');
  const worker = spawn(process.execPath, [maker, folder, 'die-before-start'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(worker, 'exit');
  const group = JSON.parse(await firstLine(worker)) as ProcessGroup;
  await exited;
  while (groupIsAlive(group)) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(() => readFileSync(path.join(folder, 'pids'))).toThrow('ENOENT');
});
