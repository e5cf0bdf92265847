import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { marksReader } from '../../../activities/host/process-table.ts';

test('a process shows its marks also while it becomes another program', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-marks-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const script = path.join(folder, 'again');
  writeFileSync(script, '#!/bin/sh\nexec "$0"\n', { mode: 0o755 });
  const child = spawn(script, [], { env: { PATH: '/usr/bin:/bin', MARK_OF: 'this' }, stdio: 'ignore' });
  await once(child, 'spawn');
  const marksOf = () => marksReader('MARK_')(child.pid as number);
  let seen = 0;
  for (let looks = 0; looks < 5000; looks += 1) if (marksOf().get('MARK_OF') === 'this') seen += 1;
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(seen).toBe(5000);
  expect(marksOf()).toEqual(new Map());
});
