import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let folder: string;
const children: ChildProcess[] = [];

/** A checkout with one small package, whose programs say how they were called. */
beforeEach(() => {
  folder = mkdtempSync(path.join(realpathSync(tmpdir()), 'perdure-bootstrap-'));
  const write = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  };
  const manifest = { name: 'perdure', version: '0.0.1', type: 'module', dependencies: { tiny: 'file:tiny' } };
  const packages = {
    '': manifest,
    'node_modules/tiny': { resolved: 'tiny', link: true },
    tiny: { version: '1.0.0' },
  };
  write('tiny/package.json', JSON.stringify({ name: 'tiny', version: '1.0.0' }));
  write('package.json', JSON.stringify(manifest));
  write('package-lock.json', JSON.stringify({ ...manifest, lockfileVersion: 3, requires: true, packages }));
  const told = (name: string) =>
    `console.log(JSON.stringify([${JSON.stringify(name)}, ...process.argv.slice(2)] as string[]));`;
  write('worker/main.ts', told('main'));
  write('api/cli/main.ts', told('cli'));
  write('test/run.ts', `${told('run')}\nprocess.exitCode = 7;`);
  write(
    'test/wait.ts',
    `process.on('SIGTERM', () => { console.log('told'); process.exit(5); });\nconsole.log('waiting'); setInterval(() => {}, 1000);`,
  );
  for (const name of ['worker/perdure.mjs', 'api/cli/process-side.json'])
    cpSync(path.resolve(import.meta.dirname, '../..', name), path.join(folder, name));
});

afterEach(() => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function start(
  args: string[],
  program = path.join(folder, 'worker', 'perdure.mjs'),
): { child: ChildProcess; out(): string; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [program, ...args], {
    // The suite has a compile cache of its own; this checkout is to make one.
    env: { ...process.env, NODE_COMPILE_CACHE: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (piece: Buffer) => {
    out += piece.toString('utf8');
  });
  child.stderr.on('data', (piece: Buffer) => {
    err += piece.toString('utf8');
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, out, err })));
  return { child, out: () => out, ended };
}

const run = (...args: string[]) => start(args).ended;

/** Stands where the pinned Node is, says that it was asked, and goes on as a real one. */
function placePinnedNode(): void {
  const file = path.join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho pinned >> ${folder}/asked\nexec ${process.execPath} "$@"\n`);
  chmodSync(file, 0o755);
}

describe('the bootstrap', () => {
  test('installs what is missing or of another version, and nothing otherwise', async () => {
    const first = await run('status');
    expect(first.err).toMatch(
      /^Installing the packages of the lockfile, once …\n[^]*Installed after \d+ s\.\n$/,
    );
    expect(first.out).toBe('["cli","status"]\n');
    expect((await run('serve')).err).toBe('');
    // Written anew with the same packages: there is nothing to install.
    const lock = path.join(folder, 'package-lock.json');
    writeFileSync(lock, `${readFileSync(lock, 'utf8')}\n`);
    expect((await run('serve')).err).toBe('');
    const tiny = path.join(folder, 'tiny', 'package.json');
    for (const file of [lock, tiny])
      writeFileSync(file, readFileSync(file, 'utf8').replace('"1.0.0"', '"1.0.1"'));
    // A look at a running server leaves its packages alone.
    expect((await run('status')).err).toBe('');
    expect((await run('serve')).err).toContain('Installing');
    expect((await run('serve')).err).toBe('');
  });

  test('installs the packages of the tests only for scripts, beside what a server may be running from', {
    tags: ['faults'],
  }, async () => {
    const dev = { devDependencies: { probe: 'file:probe.tgz' } };
    const change = (name: string, by: (json: Record<string, unknown>) => void) => {
      const file = path.join(folder, name);
      const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
      by(json);
      writeFileSync(file, JSON.stringify(json));
    };
    change('package.json', (json) => Object.assign(json, dev));
    change('package-lock.json', (json) => {
      const packages = json['packages'] as Record<string, object>;
      Object.assign(packages['']!, dev);
      packages['node_modules/probe'] = { version: '1.0.0', resolved: 'file:probe.tgz', dev: true };
    });
    mkdirSync(path.join(folder, 'package'));
    writeFileSync(path.join(folder, 'package/package.json'), '{"name":"probe","version":"1.0.0"}');
    execFileSync('tar', ['-czf', 'probe.tgz', 'package'], { cwd: folder });
    const lock = readFileSync(path.join(folder, 'package-lock.json'), 'utf8');
    const has = (name: string) => existsSync(path.join(folder, 'node_modules', name));
    // What tells an install that removes everything first.
    const mark = () => writeFileSync(path.join(folder, 'node_modules/.perdure-mark'), '');

    expect((await run('serve')).err).toContain('Installing');
    expect([has('tiny'), has('probe'), (await run('serve')).err]).toEqual([true, false, '']);
    mark();
    expect((await run('run-script', 'test/run.ts')).err).toContain('Installing');
    expect([has('tiny'), has('probe'), has('.perdure-mark')]).toEqual([true, true, true]);
    expect((await run('run-script', 'test/run.ts')).err).toBe('');
    expect(readFileSync(path.join(folder, 'package-lock.json'), 'utf8')).toBe(lock);
    // A checkout that has them keeps them.
    change('tiny/package.json', (json) => Object.assign(json, { version: '1.0.1' }));
    change('package-lock.json', (json) => {
      Object.assign((json['packages'] as Record<string, object>)['tiny']!, { version: '1.0.1' });
    });
    expect((await run('serve')).err).toContain('Installing');
    expect([has('tiny'), has('probe'), has('.perdure-mark')]).toEqual([true, true, false]);
    expect((await run('run-script', 'test/run.ts')).err).toBe('');
  });

  test.each([
    ['after an install that was killed', '4194304'],
    ['after one that was killed before it had said who it is', ''],
    ['with a lock that is not ours', 'nobody'],
  ])('installs once when several start at the same moment, %s', async (_when, lock) => {
    mkdirSync(path.join(folder, '.perdure'));
    writeFileSync(path.join(folder, '.perdure', 'install.lock'), lock);
    const all = await Promise.all([run('serve'), run('serve'), run('serve')]);
    expect(all.map(({ code, out }) => ({ code, out }))).toEqual(
      Array(3).fill({ code: 0, out: '["main","serve"]\n' }),
    );
    expect(all.filter(({ err }) => err.includes('Installing')).length).toBe(1);
    expect(readdirSync(path.join(folder, '.perdure'))).toEqual([]);
  });

  test('says where a checkout cannot be started from', async () => {
    for (const name of ['a:b', 'a#b']) {
      const program = path.join(folder, name, 'worker/perdure.mjs');
      cpSync(path.join(folder, 'worker/perdure.mjs'), program);
      const { code, err } = await start(['status'], program).ended;
      expect([code, err]).toEqual([1, expect.stringContaining(`${name}" is no place to start from`)]);
    }
  });

  test('says what to do when the install fails, and starts nothing', async () => {
    const manifest = { name: 'perdure', version: '0.0.1', dependencies: { 'not-locked': '1.0.0' } };
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
    const { code, out, err } = await run('status');
    expect(code).not.toBe(0);
    expect(out).toBe('');
    expect(err).toContain(`failed in ${folder}: run it by hand to see why, then start again.`);
  });

  test('sends each command to its program with its arguments and keeps the exit code', async () => {
    await run('status');
    expect(await run('serve', '--port', '1')).toEqual({
      code: 0,
      out: '["main","serve","--port","1"]\n',
      err: '',
    });
    expect(await run('db', 'up')).toEqual({ code: 0, out: '["main","db","up"]\n', err: '' });
    expect(await run('logs', '-f')).toEqual({ code: 0, out: '["main","logs","-f"]\n', err: '' });
    expect(await run()).toEqual({ code: 0, out: '["cli"]\n', err: '' });
    expect(await run('run-script', 'test/run.ts', '--tier', 'a b')).toEqual({
      code: 7,
      out: '["run","--tier","a b"]\n',
      err: '',
    });
  });

  test('goes on under the pinned Node, and is reached through the link of npx', async () => {
    await run('status');
    placePinnedNode();
    const link = path.join(folder, 'node_modules', '.bin', 'perdure');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(await start(['run-script', 'test/run.ts', 'x'], link).ended).toEqual({
      code: 7,
      out: '["run","x"]\n',
      err: '',
    });
    expect(readFileSync(path.join(folder, 'asked'), 'utf8')).toBe('pinned\n');
    expect(existsSync(path.join(folder, 'node_modules', '.cache'))).toBe(true);
  });

  test('passes a signal on and ends as its program ends', async () => {
    await run('status');
    placePinnedNode();
    const { child, out, ended } = start(['run-script', 'test/wait.ts']);
    await expect.poll(out).toBe('waiting\n');
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: 5, out: 'waiting\ntold\n', err: '' });
  });
});
