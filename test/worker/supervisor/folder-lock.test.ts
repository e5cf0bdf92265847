import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { runningProcess } from '../../../worker/process-table.ts';
import { lockFolder } from '../../../worker/supervisor/folder-lock.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'perdure-lock-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const refusal = (name: string): string =>
  `${name} is held by the Perdure with pid ${process.pid}: stop that one, or set PERDURE_DATA to another folder.`;

test('a held folder is refused by whatever name, naming its holder, and is free again after the release', () => {
  const link = `${folder}-link`;
  symlinkSync(folder, link);
  onTestFinished(() => rmSync(link));
  const lock = lockFolder(folder);
  expect(() => lockFolder(folder)).toThrow(refusal(folder));
  expect(() => lockFolder(link)).toThrow(refusal(link));
  lock.release();
  lock.release();
  lockFolder(link).release();
  expect(readFileSync(path.join(folder, 'supervisor.lock'), 'utf8')).toBe('');
});

test('a lock whose file was removed is taken again, and keeps a second one out', () => {
  const lock = lockFolder(folder);
  rmSync(path.join(folder, 'supervisor.lock'));
  lock.keep();
  expect(() => lockFolder(folder)).toThrow(refusal(folder));
  lock.release();
  lockFolder(folder).release();
});

test('what an earlier holder left keeps nobody out, and neither does a pid that was given away since', () => {
  const file = path.join(folder, 'supervisor.lock');
  const lock = lockFolder(folder);
  const held = JSON.parse(readFileSync(file, 'utf8')) as { started: string };
  lock.release();
  for (const left of [JSON.stringify({ ...held, started: `${held.started}0` }), 'not a lock of ours']) {
    writeFileSync(file, left);
    lockFolder(folder).release();
  }
});

test('a running holder of an older version, which locked by its name alone, keeps others out', () => {
  const file = path.join(folder, 'supervisor.lock');
  const { pid, started } = runningProcess(process.pid) ?? {};
  writeFileSync(file, JSON.stringify({ pid, started }));
  expect(() => lockFolder(folder)).toThrow(refusal(folder));
});

test('of many starts that find a dead holder’s name together exactly one gets the folder', async () => {
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
    await expect.poll(() => starts.every(({ told }) => told() === 'ready\n')).toBe(true);
    for (const { child } of starts) child.stdin.write('go\n');
    await expect.poll(() => starts.every(({ told }) => told().split('\n').length === 3)).toBe(true);
    expect(starts.filter(({ told }) => told().includes('held')).length).toBe(1);
  } finally {
    for (const { child } of starts) child.stdin.end();
    await Promise.all(starts.map(({ ended }) => ended));
  }
});
