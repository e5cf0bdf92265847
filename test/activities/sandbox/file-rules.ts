// What every sandbox does with files, and how it searches them.
import { readFileSync, writeFileSync } from 'node:fs';
import { link, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { SandboxRefusal } from '../../../activities/sandbox/sandbox.ts';
import type { Opened } from './opened.ts';

export function fileRules(opened: () => Opened): void {
  test('a file is written with its directories, read back, described, listed and removed', async () => {
    const { sandbox } = opened();
    await sandbox.write('one/two/file.txt', Buffer.from('text'));
    expect({
      read: (await sandbox.read('one/two/file.txt', 100))?.toString(),
      absolute: (await sandbox.read(`${sandbox.root}/one/../one/two/file.txt`, 100))?.toString(),
      stat: await sandbox.stat('one/two/file.txt'),
      folder: (await sandbox.stat('one'))?.kind,
      list: await sandbox.list('one'),
    }).toEqual({
      read: 'text',
      absolute: 'text',
      stat: { kind: 'file', size: 4, isExecutable: false },
      folder: 'directory',
      list: [{ name: 'two', kind: 'directory' }],
    });
    await sandbox.remove('one/two/file.txt');
    expect([await sandbox.read('one/two/file.txt', 100), await sandbox.stat('one/two/file.txt')]).toEqual([
      undefined,
      undefined,
    ]);
    await sandbox.remove('one/two/file.txt');
  });

  test('what is missing is undefined, also below something that is no directory', async () => {
    const { sandbox } = opened();
    await sandbox.write('file', Buffer.from('text'));
    expect([
      await sandbox.read('none', 9),
      await sandbox.read('no/ne', 9),
      await sandbox.read('file/x', 9),
    ]).toEqual([undefined, undefined, undefined]);
    await expect(sandbox.write('file/x', Buffer.from(''))).rejects.toThrow(
      '`file` in `file/x` is not a directory',
    );
    await expect(sandbox.list('none')).rejects.toThrow(SandboxRefusal);
  });

  test('writing keeps the mode and leaves nothing else behind', async () => {
    const { sandbox, project } = opened();
    writeFileSync(path.join(project, 'script'), 'old', { mode: 0o751 });
    await sandbox.write('script', Buffer.from('new'));
    expect((await stat(path.join(project, 'script'))).mode & 0o7777).toBe(0o751);
    expect(await readdir(project)).toEqual(['script']);
  });

  test('writing replaces the name, so another name of the same file keeps the old content', async () => {
    const { sandbox, project, outside } = opened();
    await link(path.join(outside, 'secret'), path.join(project, 'name'));
    await sandbox.write('name', Buffer.from('overwritten'));
    expect(readFileSync(path.join(outside, 'secret'), 'utf8')).toBe('secret');
  });

  test('a file larger than asked for is refused', async () => {
    const { sandbox } = opened();
    await sandbox.write('file', Buffer.alloc(101));
    await expect(sandbox.read('file', 100)).rejects.toThrow('`file` is larger than 100 bytes');
    expect((await sandbox.read('file', 101))?.length).toBe(101);
  });
}

export function searchRules(opened: () => Opened): void {
  test('a search finds lines with their place, in hidden files too, and says when there are more', async () => {
    const { sandbox } = opened();
    const signal = new AbortController().signal;
    await sandbox.write('.hidden/a\nb.txt', Buffer.from('none\nneedle 1\n'));
    await sandbox.write('z.txt', Buffer.from('needle 2\nneedle 3'));
    await sandbox.write('.git/config', Buffer.from('needle'));
    await sandbox.write('ignored', Buffer.from('needle'));
    await sandbox.write('.gitignore', Buffer.from('ignored\n'));
    const all = [
      { path: '.hidden/a\nb.txt', line: 2, text: 'needle 1' },
      { path: 'z.txt', line: 1, text: 'needle 2' },
      { path: 'z.txt', line: 2, text: 'needle 3' },
    ];
    const search = (pattern: string, where: string, maxLines: number) =>
      sandbox.search({ pattern, path: where, signal, maxLines });
    expect(await search('needle', '.', 9)).toEqual({ lines: all, truncated: false });
    expect(await search('needle', 'z.txt', 1)).toEqual({ lines: all.slice(1, 2), truncated: true });
    expect(await search('needle', '.hidden', 9)).toEqual({ lines: all.slice(0, 1), truncated: false });
    expect(await search('--files', '.', 9)).toEqual({ lines: [], truncated: false });
    await expect(search('(', '.', 9)).rejects.toThrow('regex parse error');
  });

  test('a line is found in whatever its file is written', async () => {
    const { sandbox } = opened();
    const signal = new AbortController().signal;
    const mark = Buffer.from([0xef, 0xbb, 0xbf]);
    const wide = Buffer.from('\ufeffé\r\nneedle é', 'utf16le');
    await sandbox.write('a', Buffer.concat([mark, Buffer.from('needle one\r\nneedle two')]));
    await sandbox.write('b', wide);
    await sandbox.write('c', Buffer.from(wide).swap16());
    await sandbox.write('d', Buffer.from('\xe9 needle', 'latin1'));
    await sandbox.write('e', Buffer.from('none\0\nneedle'));
    const search = (where: string) => sandbox.search({ pattern: 'needle', path: where, signal, maxLines: 9 });
    expect([await search('.'), (await search('e')).lines]).toEqual([
      {
        lines: [
          { path: 'a', line: 1, text: 'needle one' },
          { path: 'a', line: 2, text: 'needle two' },
          { path: 'b', line: 2, text: 'needle é' },
          { path: 'c', line: 2, text: 'needle é' },
          { path: 'd', line: 1, text: '\ufffd needle' },
        ],
        truncated: false,
      },
      [{ path: 'e', line: 2, text: 'needle' }],
    ]);
  });

  test('a binary file in the middle of a search does not spoil the rest', async () => {
    const { sandbox } = opened();
    const signal = new AbortController().signal;
    await sandbox.write('a', Buffer.from(`needle\n${'x\n'.repeat(100_000)}\0needle\n`));
    await sandbox.write('b', Buffer.from('needle b\n'));
    const { lines } = await sandbox.search({ pattern: 'needle', path: '.', signal, maxLines: 9 });
    expect(lines.at(-1)).toEqual({ path: 'b', line: 1, text: 'needle b' });
  });
}
