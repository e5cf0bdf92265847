import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createWaysOut } from '../../../activities/egress/ways-out.ts';

test('what a killed worker left is removed, and what another has is not', async () => {
  const folder = path.join(mkdtempSync(path.join(tmpdir(), 'perdure-ways-')), 'deep'.repeat(40));
  onTestFinished(() => rmSync(path.dirname(folder), { recursive: true }));
  const worker = spawn(process.execPath, [path.join(import.meta.dirname, 'mortal-way-out.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(worker, 'exit');
  const [told] = (await once(worker.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const waysOut = createWaysOut({ folder, egress: publicEgress });
  const own = waysOut.prepare(['site.test'], () => {});
  const [left, kept] = [path.basename(told.toString().trim()), path.basename(await own.socket())];
  await waysOut.sweep();
  expect(readdirSync(folder).sort()).toEqual([left, kept].sort());
  worker.kill('SIGKILL');
  await exited;
  await waysOut.sweep();
  expect([readdirSync(folder), statSync(folder).mode & 0o777]).toEqual([[kept], 0o700]);
  await own.close();
  expect(readdirSync(folder)).toEqual([]);
});

test('a command that asks for no socket gets none', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-ways-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const wayOut = createWaysOut({ folder, egress: publicEgress }).prepare(['site.test'], () => {});
  await wayOut.close();
  expect([readdirSync(folder), wayOut.contacts()]).toEqual([[], []]);
});
