import { expect, test } from 'vitest';
import { toToolSpec } from '../../../activities/tools/index.ts';
import { openBench } from './tool-bench.ts';

const samples: Record<string, Record<string, unknown>> = {
  read: { path: 'a/b', offset: 1, limit: 2 },
  write: { path: 'a/b', content: '' },
  edit: { path: 'a/b', old: 'x', new: '' },
  patch: { patch: 'diff --git a/a/b b/c\nrename from a/b\nrename to c\n@@ -1 +1 @@\n-x\n+y\n' },
  list: {},
  glob: { pattern: '**/*.ts' },
  grep: { pattern: 'x', path: 'a' },
  shell: { command: 'ls', timeoutSeconds: 5, background: false },
  'shell-poll': { id: '1.0', waitSeconds: 1 },
  'shell-kill': { id: '1.0' },
  fetch: { url: 'https://example.org/page' },
  todo: { items: [{ text: 'x', status: 'pending' }] },
  finish: { summary: 'done' },
  output: { key: 'a'.repeat(64), from: 1, lines: 9 },
};

test('each tool says what it does to the world, on what, and whether it may be repeated', async () => {
  const { tool } = await openBench();
  const rows = Object.entries(samples).map(([name, input]) => {
    const { effect, repeat, subject, subjectKind = effect, timeoutSeconds, probe } = tool(name);
    return [name, effect, repeat, subjectKind, subject(input), timeoutSeconds(input), probe !== undefined];
  });
  expect(rows).toEqual([
    ['read', 'read', 'safe', 'read', 'a/b', 60, false],
    ['write', 'write', 'once', 'write', 'a/b', 60, true],
    ['edit', 'write', 'once', 'write', 'a/b', 60, true],
    ['patch', 'write', 'once', 'write', 'a/b\nc', 60, true],
    ['list', 'read', 'safe', 'read', '.', 60, false],
    ['glob', 'read', 'safe', 'read', '**/*.ts', 60, false],
    ['grep', 'read', 'safe', 'read', 'a', 60, false],
    ['shell', 'execute', 'once', 'execute', 'ls', 35, false],
    ['shell-poll', 'read', 'safe', 'run', '1.0', 31, false],
    ['shell-kill', 'execute', 'safe', 'run', '1.0', 30, false],
    ['fetch', 'network', 'safe', 'network', 'example.org', 60, false],
    ['todo', 'read', 'safe', 'run', 'todo list', 10, false],
    ['finish', 'read', 'safe', 'run', 'this run', 10, false],
    ['output', 'read', 'safe', 'run', 'a'.repeat(64), 60, false],
  ]);
});

test('one tool ends the run, and one is progress though it only reads: a person has answered it', async () => {
  const { tool } = await openBench();
  const said = [...Object.keys(samples), 'ask-person'].flatMap((name) => {
    const { endsRun, progress, asks } = tool(name);
    return endsRun || progress !== undefined || asks ? [[name, endsRun, progress, asks !== undefined]] : [];
  });
  expect(said).toEqual([
    ['finish', true, undefined, false],
    ['ask-person', undefined, true, true],
  ]);
});

test('inputs are strict: nothing unknown, nothing missing, nothing that cannot be stored', async () => {
  const { tool } = await openBench();
  for (const [name, input] of Object.entries(samples)) {
    const accepts = (value: unknown): boolean => tool(name).input.safeParse(value).success;
    const first = Object.keys(input)[0] as string;
    const wrong = [
      { ...input, extra: 1 },
      { ...input, [first]: 1 },
      { ...input, [first]: undefined },
      null,
      'text',
      [],
    ];
    expect([name, accepts(input), ...wrong.map(accepts)]).toEqual([name, true, ...wrong.map(() => false)]);
    if (typeof input[first] === 'string') {
      const unstorable = ['a\0b', '\ud800'].map((text) => accepts({ ...input, [first]: text }));
      expect([name, ...unstorable]).toEqual([name, false, false]);
    }
  }
  const problem = tool('write').input.safeParse({ path: 'a', content: 'x'.repeat(1_048_577) }).error
    ?.issues[0]?.message;
  expect(problem).toBe('must be at most 1,048,576 bytes');
});

test('a model is told name, description and a closed schema', async () => {
  const { tool } = await openBench();
  expect(toToolSpec(tool('edit'))).toEqual({
    name: 'edit',
    description: expect.stringContaining('exactly once'),
    inputSchema: {
      type: 'object',
      properties: { path: { type: 'string' }, old: { type: 'string' }, new: { type: 'string' } },
      required: ['path', 'old', 'new'],
      additionalProperties: false,
    },
  });
});

test('finish ends the run, and todo renders its list', async () => {
  const { call } = await openBench();
  const items = ['pending', 'in_progress', 'done'].map((status) => ({ text: status, status }));
  expect([await call('finish', { summary: 'All done.' }), await call('todo', { items })]).toEqual([
    { ok: true, output: 'All done.' },
    { ok: true, output: '[ ] pending\n[~] in_progress\n[x] done' },
  ]);
});
