import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { createGitBounds } from '../../../../activities/git/bounds.ts';
import { runCommand } from '../../../../activities/sandbox/group/exec.ts';
import { createMount, openMount } from '../../../../activities/sandbox/mount/mount.ts';
import { locateByRealPath } from '../../../../activities/sandbox/tree/locate.ts';
import { sandboxConformance } from '../conformance.ts';
import { type Opened, openInFolder, run } from '../opened.ts';

function openMounted(): Promise<Opened> {
  return openInFolder(createMount, (folder) => ({
    programs: process.env['PATH'] ?? '',
    gitBounds: createGitBounds({ folder: path.join(folder, 'bounds') }),
  }));
}

async function openForTest(): Promise<Opened> {
  const opened = await openMounted();
  onTestFinished(() => opened.dispose());
  return opened;
}

sandboxConformance('a mount', openMounted);

test('a command has the variables it is given, and no others of the process that runs it', async () => {
  const { project, needs } = await openForTest();
  const variables = { TZ: 'Asia/Tokyo', LANG: 'de_DE.UTF-8', PATH: '/nowhere', TERM: 'xterm' };
  const opened = await createMount({ ...needs, programs: '/usr/bin:/bin', variables }).open({
    id: 'run',
    tenantId: 'tenant',
    projectPath: project,
  });
  onTestFinished(() => opened.close('ended'));
  const { stdout } = await run(
    await opened.forCall(),
    'env | grep -Ev "^(PERDURE_.*|HOME|PWD|SHLVL|_)=" | sort',
  );
  expect(stdout).toBe('LANG=de_DE.UTF-8\nPATH=/usr/bin:/bin\nTERM=dumb\nTZ=Asia/Tokyo\n');
});

test('what was judged as bash reads it is run by no other shell', async () => {
  const { project } = await openForTest();
  const place = {
    kind: 'mount',
    shell: '/bin/sh',
    directory: project,
    environment: {},
    gitBounds: async () => ({}),
  };
  const { signal } = new AbortController();
  const options = { key: 'run/1.0', signal, onStart: async () => {}, onOutput() {} };
  await expect(runCommand(place, { ...options, command: ': > ran', judged: true })).rejects.toThrow(
    'this machine has no bash',
  );
  expect(await readdir(project)).toEqual([]);
  expect((await runCommand(place, { ...options, command: ': > ran' })).exitCode).toBe(0);
});

test('a judged command that starts no git needs no bounds for it', async () => {
  const { project } = await openForTest();
  const gitBounds = async () => {
    throw new Error('asked for bounds');
  };
  const place = { kind: 'mount', shell: '/bin/bash', directory: project, environment: {}, gitBounds };
  const { signal } = new AbortController();
  const options = { key: 'run/1.0', signal, judged: true, onStart: async () => {}, onOutput() {} };
  const without = await runCommand(place, { ...options, command: ': digits .gitignore src/github.ts' });
  expect(without.exitCode).toBe(0);
  for (const command of ['git status', ': && git log', '( git log )', 'x=$( git log )', 'timeout 5 git log;'])
    await expect(runCommand(place, { ...options, command })).rejects.toThrow('asked for bounds');
});

/** Runs endless synchronous code in another thread, which does not wait for ours. */
function swap(project: string, code: string): void {
  const setUp =
    "const { renameSync, symlinkSync } = require('node:fs'); const { workerData: at } = require('node:worker_threads');";
  const swapper = new Worker(`${setUp} for (;;) { ${code} }`, { eval: true, workerData: project });
  onTestFinished(async () => void (await swapper.terminate()));
}

test('a directory that turns into a link between check and use lets nothing out', async () => {
  const { sandbox, project, outside } = await openForTest();
  writeFileSync(path.join(outside, 'file'), 'outside');
  mkdirSync(path.join(project, 'swapped'));
  writeFileSync(path.join(project, 'swapped/file'), 'inside');
  symlinkSync(outside, path.join(project, 'link'));
  swap(
    project,
    `renameSync(at + '/swapped', at + '/real'); renameSync(at + '/link', at + '/swapped');
     renameSync(at + '/swapped', at + '/link'); renameSync(at + '/real', at + '/swapped');`,
  );
  const seen = new Set<string>();
  // Until the race was real: both faces of the name were met many times.
  for (let round = 0; round < 3000 || seen.size < 2; round += 1) {
    const read = await sandbox.read('swapped/file', 100).catch((error: Error) => error.name);
    if (read !== undefined) seen.add(read.toString());
    const listed = await sandbox.list('swapped').catch(() => []);
    if (listed.length > 1) seen.add('outside');
  }
  expect([...seen].sort()).toEqual(['SandboxRefusal', 'inside']);
});

test('a folder that turns into a link while it is searched shows no line of elsewhere, nor that there is one', async () => {
  const { sandbox, project, outside } = await openForTest();
  // What is searched before it gives the time to turn.
  for (let file = 100; file < 300; file += 1) writeFileSync(path.join(project, `a${file}`), 'text\n');
  writeFileSync(path.join(outside, 'file'), 'a word outside\n');
  mkdirSync(path.join(project, 'swapped'));
  writeFileSync(path.join(project, 'swapped/file'), 'a word inside\n');
  symlinkSync(outside, path.join(project, 'link'));
  swap(
    project,
    `renameSync(at + '/swapped', at + '/real'); renameSync(at + '/link', at + '/swapped');
     renameSync(at + '/swapped', at + '/link'); renameSync(at + '/real', at + '/swapped');`,
  );
  const { signal } = new AbortController();
  // A folder that was just away is one that could not be read.
  const search = (pattern: string, maxLines: number) =>
    sandbox.search({ pattern, path: '.', signal, maxLines }).catch((error: Error) => {
      expect(error.message).toBe('`.` could not be read whole');
      return { lines: [], truncated: false };
    });
  const seen = new Set<string>();
  for (let round = 0; round < 200 || seen.size < 2; round += 1) {
    seen.add((await search('word', 9)).lines.map(({ text }) => text).join() || 'nothing');
    if ((await search('outside', 0)).truncated) seen.add('there is more');
  }
  expect([...seen].sort()).toEqual(['a word inside', 'nothing']);
});

test('a link that is turned around between check and use lets no write out', async () => {
  const { sandbox, project, outside } = await openForTest();
  mkdirSync(path.join(project, 'real'));
  symlinkSync('real', path.join(project, 'swapped'));
  swap(
    project,
    `symlinkSync(${JSON.stringify(outside)}, at + '/next'); renameSync(at + '/next', at + '/swapped');
     symlinkSync('real', at + '/next'); renameSync(at + '/next', at + '/swapped');`,
  );
  const results = new Set<string>();
  for (let round = 0; round < 500 || results.size < 2; round += 1) {
    const name = `swapped/${round % 10}/file`;
    results.add(
      await sandbox.write(name, Buffer.from('x')).then(
        () => 'written',
        (error: Error) => error.name,
      ),
    );
    await sandbox.remove(name).catch(() => {});
  }
  expect([...results].sort()).toEqual(['SandboxRefusal', 'written']);
  expect(await readdir(outside)).toEqual([]);
});

test('half-written files of a killed process are hidden, and cleaned up by the next write there', async () => {
  const { sandbox, project } = await openForTest();
  const [old, young] = [`.perdure-${'a'.repeat(24)}.tmp`, `.perdure-${'b'.repeat(24)}.tmp`];
  for (const name of [old, young]) writeFileSync(path.join(project, name), 'needle');
  utimesSync(path.join(project, old), new Date(0), new Date(0));
  const signal = new AbortController().signal;
  expect(await sandbox.list('.')).toEqual([]);
  expect((await sandbox.search({ pattern: 'needle', path: '.', signal, maxLines: 9 })).lines).toEqual([]);
  await sandbox.write('file', Buffer.from('text'));
  expect(await readdir(project)).toEqual([young, 'file']);
});

test('pipes that a killed process left in the temporary folder are removed by the next one', async () => {
  const { sandbox, project } = await openForTest();
  const [old, young] = ['old', 'young'].map((name) => path.join(project, `perdure-pipes-${name}`));
  for (const folder of [old, young]) mkdirSync(folder!);
  utimesSync(old!, new Date(0), new Date(0));
  // The folder for temporary files is asked for once, so another process must ask.
  const maker = path.join(import.meta.dirname, '..', 'group', 'orphan-maker.ts');
  const env = { ...process.env, TMPDIR: project };
  spawnSync(process.execPath, [maker, project, 'die-before-start'], { env });
  expect((await sandbox.list('.')).map((entry) => entry.name)).toEqual(['perdure-pipes-young']);
});

test('a root that is missing or no directory is refused in words', async () => {
  const { project } = await openForTest();
  writeFileSync(path.join(project, 'file'), '');
  await expect(openMount({ gitBounds: async () => ({}), root: path.join(project, 'none') })).rejects.toThrow(
    'does not exist',
  );
  await expect(openMount({ gitBounds: async () => ({}), root: path.join(project, 'file') })).rejects.toThrow(
    'is not a directory',
  );
});

test('a root that is itself a link is followed once, when it is opened', async () => {
  const { project, outside } = await openForTest();
  const link = path.join(path.dirname(project), 'link');
  symlinkSync(project, link);
  const opened = await openMount({ gitBounds: async () => ({}), root: link });
  onTestFinished(() => opened.close('ended'));
  const sandbox = await opened.forCall();
  rmSync(link);
  symlinkSync(outside, link);
  await sandbox.write(`${link}/file`, Buffer.from('text'));
  expect([await readdir(project), await readdir(outside)]).toEqual([['file'], []]);
});

test('a project that was replaced is found by the next call, and its commands and files are the same ones', async () => {
  const { project, outside, open } = await openForTest();
  const opened = await open();
  onTestFinished(() => opened.close('ended'));
  const before = await opened.forCall();
  rmSync(project, { recursive: true });
  await expect(opened.forCall()).rejects.toThrow('does not exist');
  mkdirSync(project);
  const after = await opened.forCall();
  await run(after, 'echo text > file');
  expect(String(await after.read('file', 100))).toBe('text\n');
  await expect(before.read('file', 100)).resolves.toBeUndefined();
  expect(await readdir(outside)).toEqual([]);
});

test('a project that is removed while it is open is said to be gone', async () => {
  const { sandbox, project } = await openForTest();
  rmSync(project, { recursive: true });
  await expect(run(sandbox, 'true')).rejects.toThrow(`the project directory ${project} is gone`);
});

test('without descriptors, real paths are compared', async () => {
  const { project, outside } = await openForTest();
  const mayUse = (real: string) => (real.startsWith('closed') ? `${real} is closed` : undefined);
  const root = { given: project, real: project, handle: undefined, mayUse };
  mkdirSync(path.join(project, 'in'));
  writeFileSync(path.join(project, 'in/file'), 'text');
  symlinkSync(outside, path.join(project, 'out'));
  symlinkSync('in/file', path.join(project, 'alias'));
  const follow = { follow: true, makeParents: true };
  expect(await locateByRealPath(root, 'alias', 'alias', follow)).toMatchObject({
    directory: `${project}/in`,
    name: 'file',
    real: 'in/file',
  });
  expect(await locateByRealPath(root, 'a/b/new', 'a/b/new', follow)).toMatchObject({
    directory: `${project}/a/b`,
    self: undefined,
  });
  for (const bad of ['out', 'out/x', 'out/a/b']) {
    await expect(locateByRealPath(root, bad, bad, follow)).rejects.toThrow('leads outside');
  }
  mkdirSync(path.join(project, 'closed'));
  symlinkSync('closed', path.join(project, 'open'));
  const denied = locateByRealPath(root, 'open/a/b', 'open/a/b', follow);
  await expect(denied).rejects.toThrow('closed/a/b is closed');
  expect(await readdir(path.join(project, 'closed'))).toEqual([]);
});
