import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runningProcess } from '../../worker/process-table.ts';
import { recordStarted, removeLeftovers } from './leftovers.ts';

/** A process that stands for a server, ended with the test at the latest. */
async function startServer(): Promise<{ pid: number; started: string; gone: Promise<unknown> }> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const found = runningProcess(child.pid ?? 0);
  if (!found) throw new Error('The process ended at once.');
  return { pid: found.pid, started: found.started, gone };
}

async function folderOf(owner: number, parent: string): Promise<string> {
  const folder = path.join(parent, `perdure-test-${owner}-abc`);
  await mkdir(folder);
  return folder;
}

async function deadPid(): Promise<number> {
  const child = spawn('true', { stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  return child.pid ?? 0;
}

async function temporaryFolder(): Promise<string> {
  const parent = await mkdtemp(path.join(tmpdir(), 'perdure-leftovers-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  return parent;
}

test('the servers and the folder of a killed test process are removed', async () => {
  const parent = await temporaryFolder();
  const server = await startServer();
  const folder = await folderOf(await deadPid(), parent);
  await recordStarted(folder, server);
  await removeLeftovers(parent);
  await server.gone;
  expect(existsSync(folder)).toBe(false);
});

test('what belongs to a test process that still runs is left alone', async () => {
  const parent = await temporaryFolder();
  const server = await startServer();
  const folder = await folderOf(process.pid, parent);
  await recordStarted(folder, server);
  await removeLeftovers(parent);
  expect([existsSync(folder), runningProcess(server.pid)?.started]).toEqual([true, server.started]);
});

test('a process that has a recorded id by chance is left alone', async () => {
  const parent = await temporaryFolder();
  const stranger = await startServer();
  const folder = await folderOf(await deadPid(), parent);
  await recordStarted(folder, { pid: stranger.pid, started: 'another start' });
  await removeLeftovers(parent);
  expect([existsSync(folder), runningProcess(stranger.pid)?.started]).toEqual([false, stranger.started]);
});
