// What a start does with the API and workers that it finds, beside a supervisor that lives or is gone. Programs that
// only wait stand for both.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { stopLeftovers } from '../../../../worker/supervisor/process/role-process.ts';
import { prepareDataFolder } from '../../../../worker/data-folder.ts';
import { isRunning, runningProcess } from '../../../../worker/process-table.ts';

const waits = `
  if (process.argv[2] === 'serve') {
    const { spawn } = await import('node:child_process');
    const role = spawn(process.execPath, [import.meta.filename, 'api', '--data', process.argv[3]], { detached: true });
    console.log(role.pid);
  }
  setInterval(() => undefined, 1_000);`;

async function startSupervisor() {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-leftovers-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const program = path.join(folder, 'worker', 'main.ts');
  mkdirSync(path.dirname(program));
  writeFileSync(program, waits);
  const data = prepareDataFolder(path.join(folder, 'data'));
  const supervisor = spawn(process.execPath, [program, 'serve', data.folder]);
  onTestFinished(() => void supervisor.kill('SIGKILL'));
  const [pid] = await once(supervisor.stdout, 'data');
  // It is known by its command line, which it may not have yet.
  await expect.poll(() => runningProcess(Number(pid))?.command).toMatch(/ api --data /);
  const role = runningProcess(Number(pid));
  if (role === undefined) throw new Error('The role did not start.');
  onTestFinished(() => void (isRunning(role) && process.kill(role.pid, 'SIGKILL')));
  return { data, supervisor, role };
}

test('a start beside a supervisor whose locks were removed is refused and ends nothing; after its death, what it left', async () => {
  const { data, supervisor, role } = await startSupervisor();
  await expect(stopLeftovers(data)).rejects.toThrow(`held by the Perdure with pid ${supervisor.pid}`);
  expect(isRunning(role)).toBe(true);
  supervisor.kill('SIGKILL');
  await once(supervisor, 'exit');
  expect([await stopLeftovers(data), isRunning(role)]).toEqual([1, false]);
});
