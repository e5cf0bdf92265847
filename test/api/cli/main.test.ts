// The command line as a process: what only a real process shows.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createTestApp } from '../../support/test-app.ts';

const main = path.join(import.meta.dirname, '../../../api/cli/main.ts');

async function call(args: string[], environment: Record<string, string> = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'perdure-cli-'));
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', PERDURE_DATA: folder, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true });
  });
  return child;
}

async function ended(child: ChildProcess): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk) => (out += chunk));
  child.stderr?.on('data', (chunk) => (err += chunk));
  const [code] = await once(child, 'close');
  return { code, out, err };
}

test('without a server it says so in one sentence', async () => {
  expect(await ended(await call(['status']))).toEqual({
    code: 6,
    out: '',
    err: 'perdure: No server found: start one with `npm start` (or `perdure serve`), or name one with --url or PERDURE_URL.\n',
  });
});

test('a command of the process side gets its arguments as they were typed, and its exit code is kept', async () => {
  const { code, out, err } = await ended(await call(['config', '--nonsense', 'x y']));
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain('--nonsense');
});

test('two Ctrl-C within a moment are one: the run is interrupted, not left', async () => {
  const api = await createTestApp();
  const url = await api.listen();
  const child = await call(['run', 'work'], {
    ...{ PERDURE_URL: url, PERDURE_TOKEN: api.token },
    // Its clock stands still: however late the second one comes, it is within a moment.
    NODE_OPTIONS: '--import=data:text/javascript,performance.now=()=>0',
  });
  const whole = ended(child);
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
  child.kill('SIGINT');
  child.kill('SIGINT');
  const { code, out } = await whole;
  expect(code).toBe(4);
  expect(out).toContain('— interrupting; Ctrl-C once more leaves the run running\n');
  expect(out).toMatch(/\ninterrupted · /);
});
