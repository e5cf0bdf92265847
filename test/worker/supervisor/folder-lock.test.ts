import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockFolder } from '../../../worker/supervisor/folder-lock.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-lock-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test('a held folder is refused naming its holder, and is free again after the release', () => {
  const lock = lockFolder(folder);
  expect(() => lockFolder(folder)).toThrow(
    `${folder} is held by the Perdure with pid ${process.pid}: stop that one, or set PERDURE_DATA to another folder.`,
  );
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
  lockFolder(folder).release();
});

test('a lock that was removed is made again, and keeps a second one out', () => {
  const lock = lockFolder(folder);
  rmSync(path.join(folder, 'supervisor.lock'));
  lock.keep();
  expect(() => lockFolder(folder)).toThrow('is held by the Perdure with pid');
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('a lock whose pid was given to another process since keeps nobody out', () => {
  lockFolder(folder);
  const file = path.join(folder, 'supervisor.lock');
  const held = JSON.parse(readFileSync(file, 'utf8')) as { started: string };
  writeFileSync(file, JSON.stringify({ ...held, started: `${held.started}0` }));
  lockFolder(folder).release();
  writeFileSync(file, 'not a lock of ours');
  lockFolder(folder).release();
});

test('of many starts that find a dead holder’s lock together exactly one gets the folder', async () => {
  const module = path.resolve(import.meta.dirname, '../../../worker/supervisor/folder-lock.ts');
  const program = `
    import { lockFolder } from ${JSON.stringify(module)};
    process.stdin.once('data', () => {
      try { lockFolder(${JSON.stringify(folder)}); process.stdout.write('held\\n'); } catch (error) { process.stdout.write('refused\\n'); }
    });
    process.stdout.write('ready\\n');
  `;
  writeFileSync(path.join(folder, 'supervisor.lock'), JSON.stringify({ pid: 1, started: 'long ago' }));
  const starts = Array.from({ length: 12 }, () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let told = '';
    child.stdout.on('data', (piece: Buffer) => {
      told += piece.toString('utf8');
    });
    return { child, told: () => told, ended: new Promise((resolve) => child.once('close', resolve)) };
  });
  try {
    await expect.poll(() => starts.every(({ told }) => told() === 'ready\n'), { timeout: 30_000 }).toBe(true);
    for (const { child } of starts) child.stdin.write('go\n');
    await expect
      .poll(() => starts.every(({ told }) => told().split('\n').length === 3), { timeout: 30_000 })
      .toBe(true);
    expect(starts.filter(({ told }) => told().includes('held')).length).toBe(1);
  } finally {
    for (const { child } of starts) child.stdin.end();
    await Promise.all(starts.map(({ ended }) => ended));
  }
});
