// Which paths every sandbox takes, and that none of them leads out.
import { readFileSync, symlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { SandboxRefusal } from '../../../activities/sandbox/sandbox.ts';
import { type Opened, run } from './opened.ts';

export function pathRules(opened: () => Opened): void {
  test('nothing outside is read, written, listed, searched, described or removed', async () => {
    const { sandbox, project, outside } = opened();
    symlinkSync(outside, path.join(project, 'link'));
    symlinkSync('../', path.join(project, 'up'));
    symlinkSync(path.join(outside, 'secret'), path.join(project, 'direct'));
    symlinkSync(path.join(outside, 'new'), path.join(project, 'dangling'));
    const signal = new AbortController().signal;
    const name = path.basename(outside);
    const paths = [
      'link/secret',
      'direct',
      'up/x',
      `up/${name}/secret`,
      `../${name}/secret`,
      `${outside}/secret`,
    ];
    const tries: Promise<unknown>[] = [
      ...paths,
      '..',
      '/',
      '/etc/passwd',
      `${project}/../${name}/secret`,
    ].flatMap((bad) => [
      sandbox.read(bad, 100),
      sandbox.write(bad, Buffer.from('x')),
      sandbox.list(bad),
      sandbox.search({ pattern: 'secret', path: bad, signal, maxLines: 9 }),
    ]);
    tries.push(sandbox.write('dangling', Buffer.from('x')), sandbox.write('link/new/file', Buffer.from('x')));
    tries.push(
      sandbox.remove('link/secret'),
      sandbox.stat('link/secret'),
      sandbox.remove(`../${name}/secret`),
    );
    const results = await Promise.allSettled(tries);
    expect(results.filter((result) => result.status === 'fulfilled')).toEqual([]);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(SandboxRefusal);
    }
    expect((await readdir(outside, { recursive: true })).sort()).toEqual(['folder', 'secret']);
    expect(readFileSync(path.join(outside, 'secret'), 'utf8')).toBe('secret');
  });

  test('links that stay inside are followed, loops are refused, and removing removes the link', async () => {
    const { sandbox, project } = opened();
    await sandbox.write('deep/er/file', Buffer.from('text'));
    symlinkSync('deep/er', path.join(project, 'short'));
    symlinkSync(path.join(project, 'deep/er/file'), path.join(project, 'absolute'));
    symlinkSync('../er/./file', path.join(project, 'deep/er/round'));
    symlinkSync('loop', path.join(project, 'loop'));
    const read = async (name: string) => (await sandbox.read(name, 100))?.toString();
    expect([await read('short/file'), await read('absolute'), await read('short/round')]).toEqual([
      'text',
      'text',
      'text',
    ]);
    await sandbox.write('absolute', Buffer.from('through'));
    expect(await read('deep/er/file')).toBe('through');
    expect(await sandbox.stat('absolute')).toMatchObject({ kind: 'symlink' });
    await sandbox.remove('absolute');
    expect(await read('deep/er/file')).toBe('through');
    await expect(sandbox.read('loop', 100)).rejects.toThrow('is a loop of symbolic links');
  });
}

export function nameRules(opened: () => Opened): void {
  test('pipes, devices and directories are no files, and looking at a pipe does not wait for its other end', async () => {
    const { sandbox } = opened();
    await run(sandbox, 'mkfifo pipe; mkdir folder');
    await expect(sandbox.read('pipe', 100)).rejects.toThrow('`pipe` is a device or a pipe, not a file');
    await expect(sandbox.write('pipe', Buffer.from('x'))).rejects.toThrow('not a file');
    await expect(sandbox.read('folder', 100)).rejects.toThrow('`folder` is a directory, not a file');
    await expect(sandbox.write('.', Buffer.from('x'))).rejects.toThrow(SandboxRefusal);
    await expect(sandbox.remove('folder')).rejects.toThrow('is a directory');
  });

  test('names no file can have are refused in words', async () => {
    const { sandbox } = opened();
    await expect(sandbox.read('a\0b', 9)).rejects.toThrow('the path holds a NUL character');
    await expect(sandbox.write('n'.repeat(4096), Buffer.from(''))).rejects.toThrow('longer than 255 bytes');
    await expect(sandbox.write('d/'.repeat(2049), Buffer.from(''))).rejects.toThrow(
      'longer than 4,096 bytes',
    );
  });

  test('names that differ only in case, and names with odd characters, are names', async () => {
    const { sandbox } = opened();
    const names = ['File', 'file', '-rf', 'a b', "q'uote", 'new\nline', 'ünï', '$(x)', '...', '..x'];
    for (const name of names) await sandbox.write(`d/${name}`, Buffer.from(name));
    const listed = (await sandbox.list('d')).map((entry) => entry.name);
    expect(listed.sort()).toEqual([...names].sort());
    for (const name of names) expect((await sandbox.read(`d/${name}`, 99))?.toString()).toBe(name);
  });
}
