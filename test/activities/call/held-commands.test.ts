import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { holdCommands } from '../../../activities/call/held-commands.ts';
import { createGitBounds } from '../../../activities/git/bounds.ts';
import { openMount } from '../../../activities/sandbox/mount/mount.ts';
import { createCommandCheck } from '../../../workflows/policy/command-check.ts';
import { evaluate } from '../../../workflows/policy/evaluate.ts';
import { findProfile } from '../../../workflows/policy/presets.ts';

const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-held-commands-')));
afterAll(() => rmSync(folder, { recursive: true }));

// A platform beside the project, a folder of programs with a link to it, and git's folder of a worktree under another name.
const programs = path.join(folder, 'programs');
const platform = path.join(folder, 'app/worker/perdure.mjs');
const main = path.join(folder, 'main');
for (const each of [programs, path.dirname(platform), main]) mkdirSync(each, { recursive: true });
writeFileSync(platform, '#!/bin/sh\necho the platform ran\n', { mode: 0o755 });
symlinkSync(platform, path.join(programs, 'p'));
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args]);
git('init', '--quiet', main);
git('-C', main, 'commit', '--quiet', '--allow-empty', '-m', 'one');
const bare = path.join(folder, 'repository');
git('clone', '--quiet', '--bare', main, bare);
const project = path.join(folder, 'project');
git('-C', bare, 'worktree', 'add', '--quiet', project);

writeFileSync(path.join(project, '.env'), 'token=x\n');
writeFileSync(path.join(project, 'a.txt'), 'text\n');
mkdirSync(path.join(project, 'src/deep'), { recursive: true });
mkdirSync(path.join(project, 'secrets/in'), { recursive: true });
writeFileSync(path.join(project, 'secrets/token'), 'token=x\n');
mkdirSync(path.join(project, '.husky'));
for (const [link, target] of [
  ['notes', '.env'],
  ['src/up', '../.env'],
  ['hooks', '.husky'],
  ['p', platform],
  ['g', bare],
  ['lib', 'src'],
  ['b.txt', 'a.txt'],
  // The name of a harmless link does not hide another of that name in a folder below.
  ['up', 'a.txt'],
  ['src/deep/more', '../../.env'],
  ['in', 'secrets/in'],
] as const)
  symlinkSync(target, path.join(project, link));

const given = path.join(folder, 'by-a-link');
symlinkSync(project, given);

/** Runs a command that was allowed, or approved; answers what it printed or why it did not run. */
async function run(command: string, policy = 'headless-permissive-sandbox', root = project): Promise<string> {
  const scopes = [{ scope: 'run' as const, profile: findProfile(policy), version: 1 }];
  const context = { projectRoot: root, mode: null, attended: true, now: new Date() };
  const call = { tool: 'shell', effect: 'execute' as const, subject: command };
  // What policy refuses as it is written never gets here.
  expect([command, evaluate(scopes, call, context).decision]).not.toEqual([command, 'deny']);
  const gitBounds = createGitBounds({ folder: path.join(folder, 'bounds') });
  const opened = await openMount({ root, programs: `${programs}:/usr/bin:/bin`, gitBounds });
  const sandbox = holdCommands(await opened.forCall(), createCommandCheck(scopes, call, context));
  const output: string[] = [];
  try {
    await sandbox.exec({
      command,
      key: 'run/1.0',
      signal: new AbortController().signal,
      onStart: async () => {},
      onOutput: (_from, bytes) => output.push(bytes.toString()),
    });
    return output.join('');
  } catch (error) {
    return (error as Error).message;
  } finally {
    await opened.close('ended');
  }
}

test.each([
  ['cat notes', 'notes', '/project/.env'],
  ['cat src/up', 'src/up', '/project/.env'],
  ['cat lib/up', 'lib/up', '/project/.env'],
  ['cd src && cat up', 'up', '/project/.env'],
  ['cd src && cd deep && cat more', 'more', '/project/.env'],
  ['cd src; ls; cd ../src/deep; ls; cat ./more', './more', '/project/.env'],
  // A folder above a link is that of where it leads.
  ['cat in/../token', 'in/../token', '/project/secrets/token'],
  ['grep -r x ./notes', './notes', '/project/.env'],
  ['cp a.txt hooks/pre-commit', 'hooks/pre-commit', '/project/.husky/pre-commit'],
  ['cp a.txt hooks/new/x', 'hooks/new/x', '/project/.husky/new/x'],
  ['tee hooks', 'hooks', '/project/.husky'],
  ['./p approve 1', './p', '/app/worker/perdure.mjs'],
  ['node p approve 1', 'p', '/app/worker/perdure.mjs'],
  ['p approve 1', 'p', '/app/worker/perdure.mjs'],
  ['env p approve 1', 'p', '/app/worker/perdure.mjs'],
  ['cp a.txt g', 'g', '/project/.git'],
  ['ls /usr; cd g', 'g', '/project/.git'],
])('a link does not lead a command to what its profile keeps from it: %s', async (command, name, real) => {
  const said = await run(command);
  expect(said).toMatch(/^Denied by policy: /);
  expect([said.includes(` ${name} leads to `), said.includes(real)]).toEqual([true, true]);
});

test('git’s folder of a worktree is met by its own path too', async () => {
  const gitFolder = path.join(bare, 'worktrees/project');
  expect(readFileSync(path.join(project, '.git'), 'utf8')).toBe(`gitdir: ${gitFolder}\n`);
  expect([await run(`cp a.txt ${bare}/hooks`), await run(`touch ${gitFolder}/x`)]).toEqual([
    expect.stringContaining('/project/.git'),
    expect.stringContaining('/project/.git'),
  ]);
});

test('a link to what may be named is followed, also where the project is reached by one', async () => {
  expect([
    await run('cat b.txt'),
    await run('ls lib'),
    await run('ls hooks'),
    await run(`cat ${given}/b.txt a.txt`, undefined, given),
    await run('cat notes', 'trusted-mount-autonomous'),
  ]).toEqual(['text\n', 'deep\nup\n', '', 'text\ntext\n', 'token=x\n']);
  expect(await run('cat notes', undefined, given)).toContain(`notes leads to ${given}/.env`);
});

test('what a person approved runs where the real names change nothing about it', async () => {
  expect(await run('cat notes', 'ask-everything')).toBe('token=x\n');
  // Asked about for its redirect; nothing was said of where the link leads.
  expect(await run('cat notes > copy')).toContain('Denied by policy: notes leads to');
});

test('a command with more names than are looked up does not run where they count', async () => {
  const long = `cat ${Array.from({ length: 2900 }, (_, index) => `n${index}`).join(' ')} notes 2>/dev/null`;
  expect(await run(`cd src; cd deep; cd ..; cd ..; ${long}`)).toMatch(/too many names .* split it$/);
  expect(await run(`cd src; cd deep; cd ../..; ${long}`, 'trusted-mount-autonomous')).toBe('token=x\n');
});

test('names that cannot be looked up are left to the command', async () => {
  const closed = path.join(project, 'closed');
  mkdirSync(closed);
  chmodSync(closed, 0o000);
  symlinkSync('loop', path.join(project, 'loop'));
  onTestFinished(() => chmodSync(closed, 0o700));
  expect(await run(`ls loop ${'x'.repeat(5000)} closed/a a.txt 2>/dev/null`)).toContain('a.txt\n');
});
