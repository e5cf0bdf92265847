import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openMount } from '../../../activities/sandbox/mount/mount.ts';
import { createBackground } from '../../../activities/tools/background.ts';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createTools } from '../../../activities/tools/index.ts';
import type { ToolResult } from '../../../activities/tools/tool.ts';
import { createPathCheck } from '../../../workflows/policy/path-check.ts';
import { findProfile } from '../../../workflows/policy/presets.ts';

const tools = createTools({
  background: createBackground(),
  egress: publicEgress,
});

interface Held {
  project: string;
  /** Calls a tool as one that was allowed: only what it reaches is held against the profile. */
  call(name: string, input: object): Promise<ToolResult>;
}

/** A project with secrets and links to them, held to a profile. */
async function hold(policy: string): Promise<Held> {
  const folder = await realpath(mkdtempSync(path.join(tmpdir(), 'perdure-held-')));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const project = path.join(folder, 'project');
  for (const name of ['.env', 'a.ts', 'conf/secrets/key.txt', 'src/b.ts', '.git/hooks/sample']) {
    mkdirSync(path.dirname(path.join(project, name)), { recursive: true });
    writeFileSync(path.join(project, name), `token of ${name}\n`);
  }
  symlinkSync('.env', path.join(project, 'notes.md'));
  symlinkSync('conf/secrets', path.join(project, 'docs'));
  symlinkSync('.git', path.join(project, 'tools'));
  symlinkSync('src', path.join(project, 'lib'));
  const scopes = [{ scope: 'run' as const, profile: findProfile(policy), version: 1 }];
  const context = { projectRoot: project, mode: null, attended: true, now: new Date() };
  return {
    project,
    async call(name, given) {
      const tool = tools.find((each) => each.name === name);
      if (!tool) throw new Error(`There is no tool ${name}.`);
      const input = tool.input.parse(given);
      const { effect, subjectKind } = tool;
      const policyCall = { tool: name, effect, subject: tool.subject(input), subjectKind };
      const mayUse = createPathCheck(scopes, policyCall, context);
      const opened = await openMount({ root: project, gitBounds: async () => ({}) });
      try {
        return await tool.run(input, {
          runId: 'run',
          callId: '1.0',
          key: 'run/1.0',
          sandbox: await opened.forCall({ mayUse }),
          signal: new AbortController().signal,
          recordHandle: async () => {},
          noteIntent: async () => {},
          wholeOutput: async () => undefined,
          peek: async () => undefined,
          skill: async () => undefined,
          memory: { keep: async () => ({ id: '' }), forget: async () => false, find: async () => [] },
          output: () => {},
        });
      } finally {
        await opened.close('ended');
      }
    },
  };
}

describe('under headless-safe-sandbox', () => {
  test('a grep, a glob and a list leave out what may not be read, links to it included', async () => {
    const { call } = await hold('headless-safe-sandbox');
    expect({
      grep: (await call('grep', { pattern: 'token' })).output,
      'grep through a link': (await call('grep', { pattern: 'token', path: 'lib' })).output,
      glob: (await call('glob', { pattern: '**/*' })).output.split('\n'),
      'glob of a secret': (await call('glob', { pattern: 'conf/**' })).output,
      list: (await call('list', { path: '.' })).output.split('\n'),
      'list of secrets': (await call('list', { path: 'conf/secrets' })).output,
    }).toEqual({
      grep: 'a.ts:1:token of a.ts\nsrc/b.ts:1:token of src/b.ts',
      'grep through a link': 'lib/b.ts:1:token of src/b.ts',
      glob: ['a.ts', 'docs', 'lib', 'notes.md', 'src/b.ts', 'tools'],
      'glob of a secret': 'No file matches `conf/**`.',
      list: [
        '.git/',
        'a.ts',
        'conf/',
        'docs (link)',
        'lib (link)',
        'notes.md (link)',
        'src/',
        'tools (link)',
      ],
      'list of secrets': '`conf/secrets` is empty.',
    });
  });

  test('more lines than may be shown are counted without those that may not', async () => {
    const { project, call } = await hold('headless-safe-sandbox');
    writeFileSync(path.join(project, '.env'), 'token\n'.repeat(2000));
    expect((await call('grep', { pattern: 'token' })).output).not.toContain('only the first');
  });

  test.each([
    ['read', { path: 'notes.md' }, '.env'],
    ['read', { path: 'docs/key.txt' }, 'conf/secrets/key.txt'],
    ['grep', { pattern: 'token', path: 'notes.md' }, '.env'],
    ['write', { path: 'notes.md', content: 'x' }, '.env'],
    ['edit', { path: 'notes.md', old: 'token', new: 'x' }, '.env'],
    ['write', { path: 'tools/config', content: 'x' }, '.git/config'],
    ['write', { path: 'tools/hooks/new/post-commit', content: 'x' }, '.git/hooks/new/post-commit'],
    [
      'patch',
      {
        patch:
          '--- a/a.ts\n+++ b/a.ts\n@@ -1 +1 @@\n-token of a.ts\n+x\n--- /dev/null\n+++ b/tools/x\n@@ -0,0 +1 @@\n+x\n',
      },
      '.git/x',
    ],
  ])('%s %j is denied where it leads, and nothing is changed', async (name, input, leadsTo) => {
    const { project, call } = await hold('headless-safe-sandbox');
    expect(await call(name, input)).toEqual({
      ok: false,
      denied: true,
      output: expect.stringMatching(`^Denied by policy: this leads to ${leadsTo}, which was not allowed`),
    });
    const texts = ['.env', 'a.ts', '.git/hooks/sample'].map((file) =>
      readFileSync(path.join(project, file), 'utf8'),
    );
    expect([
      texts,
      readdirSync(path.join(project, '.git')),
      readdirSync(path.join(project, '.git/hooks')),
    ]).toEqual([
      ['token of .env\n', 'token of a.ts\n', 'token of .git/hooks/sample\n'],
      ['hooks'],
      ['sample'],
    ]);
  });

  test('a link to what may be used is followed, and new directories are made', async () => {
    const { project, call } = await hold('headless-safe-sandbox');
    expect([
      await call('read', { path: 'lib/b.ts' }),
      await call('write', { path: 'lib/new/c.ts', content: 'c' }),
      readFileSync(path.join(project, 'src/new/c.ts'), 'utf8'),
    ]).toEqual([
      { ok: true, output: 'token of src/b.ts\n' },
      { ok: true, output: 'Wrote the new file `lib/new/c.ts` (1 bytes).' },
      'c',
    ]);
  });
});

test('what a person approved is what was shown: the path, and what lies below a search', async () => {
  const { call } = await hold('ask-everything');
  expect([
    (await call('read', { path: 'a.ts' })).ok,
    (await call('grep', { pattern: 'token', path: 'src' })).output,
    (await call('glob', { pattern: 'src/**' })).output,
    (await call('list', { path: 'src' })).output,
    (await call('read', { path: 'lib/b.ts' })).output,
  ]).toEqual([
    true,
    'src/b.ts:1:token of src/b.ts',
    'src/b.ts',
    'b.ts',
    expect.stringMatching(/^Denied by policy: this leads to src\/b\.ts, which was not allowed/),
  ]);
});

test('trusted-mount-autonomous reads everything and writes no secret, not through a link either', async () => {
  const { call } = await hold('trusted-mount-autonomous');
  expect([
    (await call('read', { path: 'notes.md' })).output,
    (await call('write', { path: 'notes.md', content: 'x' })).denied,
  ]).toEqual(['token of .env\n', true]);
});
