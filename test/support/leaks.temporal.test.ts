import { spawn } from 'node:child_process';
import path from 'node:path';
import { expect, inject, test } from 'vitest';
import { findProcesses } from '../../worker/process-table.ts';

const root = path.join(import.meta.dirname, '../..');

interface Outcome {
  code: number | null;
  output: string;
}

/** Runs one of the leaking files the way every file runs, on this process's servers. */
async function runLeaking(name: string): Promise<Outcome> {
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
  const child = spawn(
    process.execPath,
    [vitest, 'run', '--config', 'test/fixtures/leaks/vitest.config.ts', name],
    {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        PERDURE_TEST_DATABASE_URL: inject('postgresUrl'),
        PERDURE_TEST_TEMPORAL_ADDRESS: inject('temporalAddress'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output: Buffer.concat(chunks).toString('utf8') };
}

test('a test that leaves a child process fails and names it', async () => {
  const { code, output } = await runLeaking('child.test.ts');
  const [, pid] = /left child processes: (\d+) \(sleep 120\)/.exec(output) ?? [];
  expect({ code, pid }).toEqual({ code: 1, pid: expect.any(String) });
  if (findProcesses((command) => command === 'sleep 120').some((each) => each.pid === Number(pid)))
    process.kill(Number(pid), 'SIGKILL');
});

test('a file that leaves a pool open fails and names it', async () => {
  const { code, output } = await runLeaking('pool.test.ts');
  expect({ code, named: /Still connected to the test's database: left-open/.test(output) }).toEqual({
    code: 1,
    named: true,
  });
});

test('a file that leaves a Temporal connection open fails', async () => {
  const { code, output } = await runLeaking('connection.test.ts');
  expect({ code, named: /left 1 Temporal workers or connections open/.test(output) }).toEqual({
    code: 1,
    named: true,
  });
});
