// What every sandbox must do, whichever way it does it.
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { link, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ExecResult, ProcessGroup, Sandbox } from '../../../activities/sandbox/sandbox.ts';
import { SandboxRefusal } from '../../../activities/sandbox/sandbox.ts';

export interface Opened {
  sandbox: Sandbox;
  /** The project as this machine sees it, and a directory beside it that must stay out of reach. */
  project: string;
  outside: string;
  groupIsAlive(group: ProcessGroup): boolean;
  dispose(): Promise<void>;
}

export interface Ran {
  result: ExecResult;
  stdout: string;
  stderr: string;
  group: ProcessGroup;
}

export async function run(
  sandbox: Sandbox,
  command: string,
  signal: AbortSignal = new AbortController().signal,
  onGroup: (group: ProcessGroup) => void = () => {},
): Promise<Ran> {
  const output = { stdout: '', stderr: '' };
  let group: ProcessGroup | undefined;
  const result = await sandbox.exec({
    command,
    key: 'run/1.0',
    signal,
    async onStart(started) {
      group = started;
      onGroup(started);
    },
    onOutput(from, bytes) {
      output[from] += bytes.toString('utf8');
    },
  });
  return { result, ...output, group: group as ProcessGroup };
}

export function sandboxConformance(name: string, openSandbox: () => Promise<Opened>): void {
  describe(`${name} as a sandbox`, () => {
    let opened: Opened;
    beforeEach(async () => {
      opened = await openSandbox();
      mkdirSync(path.join(opened.outside, 'folder'));
      writeFileSync(path.join(opened.outside, 'secret'), 'secret');
    });
    afterEach(() => opened.dispose());

    describe('files', () => fileRules(() => opened));
    describe('paths', () => pathRules(() => opened));
    describe('commands', () => commandRules(() => opened));
  });
}

function fileRules(opened: () => Opened): void {
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
      stat: { kind: 'file', size: 4 },
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

  test('a binary file in the middle of a search does not spoil the rest', async () => {
    const { sandbox } = opened();
    const signal = new AbortController().signal;
    await sandbox.write('a', Buffer.from(`needle\n${'x\n'.repeat(100_000)}\0needle\n`));
    await sandbox.write('b', Buffer.from('needle b\n'));
    const { lines } = await sandbox.search({ pattern: 'needle', path: '.', signal, maxLines: 9 });
    expect(lines.at(-1)).toEqual({ path: 'b', line: 1, text: 'needle b' });
  });
}

function pathRules(opened: () => Opened): void {
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

function commandRules(opened: () => Opened): void {
  test('a command runs in the project with a minimal environment and no input', async () => {
    const { sandbox, project } = opened();
    const { result, stdout, stderr } = await run(
      sandbox,
      'pwd; echo "to stderr" > /dev/stderr; cat; env | cut -d= -f1 | grep -v "^\\(PWD\\|SHLVL\\|_\\)$" | sort | xargs; exit 3',
    );
    expect({ result, stdout, stderr }).toEqual({
      result: { exitCode: 3, signal: null },
      stdout: `${project}\nHOME LANG PATH PERDURE_CALL PERDURE_GROUP PERDURE_WORKER TERM\n`,
      stderr: 'to stderr\n',
    });
  });

  test('a command that a signal ends says which', async () => {
    expect((await run(opened().sandbox, 'kill -USR1 $$')).result).toEqual({
      exitCode: null,
      signal: 'SIGUSR1',
    });
  });

  test('a command does not act before its group is recorded, and never when that fails', async () => {
    const { sandbox, project, groupIsAlive } = opened();
    const file = path.join(project, 'acted');
    let seen: { acted: boolean; alive: boolean } | undefined;
    await sandbox.exec({
      command: 'touch acted',
      key: 'run/1.0',
      signal: new AbortController().signal,
      async onStart(group) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        seen = { acted: existsSync(file), alive: groupIsAlive(group) };
      },
      onOutput() {},
    });
    expect([seen, existsSync(file)]).toEqual([{ acted: false, alive: true }, true]);
    const refused = sandbox.exec({
      command: 'touch never',
      key: 'run/1.0',
      signal: new AbortController().signal,
      onStart: () => Promise.reject(new Error('the database is gone')),
      onOutput() {},
    });
    await expect(refused).rejects.toThrow('the database is gone');
    expect(existsSync(path.join(project, 'never'))).toBe(false);
  });

  test('what a command leaves behind is ended with it and does not hold the answer', async () => {
    const { sandbox, groupIsAlive } = opened();
    const started = performance.now();
    const ran = await run(sandbox, 'sleep 600 & (setsid sleep 600 &) ; set -m; sleep 600 & echo done');
    expect([ran.stdout, groupIsAlive(ran.group)]).toEqual(['done\n', false]);
    // Far below the 600 seconds of what held its output; only a hang should fail here.
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test('aborting ends the whole group and gives the reason, also when it ignores being asked', async () => {
    const { sandbox, groupIsAlive } = opened();
    for (const command of [
      'sleep 600 | cat & wait',
      'trap "" TERM; (trap "" TERM; sleep 600; sleep 600) & sleep 600; sleep 600',
    ]) {
      const stop = new AbortController();
      let group: ProcessGroup | undefined;
      const running = run(sandbox, `echo go; ${command}`, stop.signal, (started) => {
        group = started;
        setTimeout(() => stop.abort(new Error('the run was interrupted')), 200);
      });
      await expect(running).rejects.toThrow('the run was interrupted');
      expect(groupIsAlive(group as ProcessGroup)).toBe(false);
    }
  });

  test('a command asked to end may clean up', async () => {
    const { sandbox, project } = opened();
    const stop = new AbortController();
    const running = run(
      sandbox,
      'trap "sleep 0.3; touch cleaned; exit" TERM; touch up; while :; do sleep 0.05; done',
      stop.signal,
    );
    while (!existsSync(path.join(project, 'up'))) await new Promise((resolve) => setTimeout(resolve, 10));
    stop.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(existsSync(path.join(project, 'cleaned'))).toBe(true);
  });

  test('ten megabytes and a million short lines arrive whole and in order', async () => {
    const { sandbox } = opened();
    let bytes = 0;
    let last = '';
    const options = { key: 'run/1.0', signal: new AbortController().signal, onStart: async () => {} };
    const onOutput = (_from: string, chunk: Buffer): void => {
      bytes += chunk.length;
      last = (last + chunk.toString('latin1')).slice(-20);
    };
    await sandbox.exec({ ...options, command: 'head -c 10000000 /dev/zero', onOutput });
    expect(bytes).toBe(10_000_000);
    await sandbox.exec({ ...options, command: 'seq 1000000', onOutput });
    expect([bytes, last.slice(-8)]).toEqual([10_000_000 + 6_888_896, '1000000\n']);
  });
}
