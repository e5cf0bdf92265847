// The projects of a workspace behind the first: inside for what reads, and for nothing else.
import { expect, test } from 'vitest';
import { createPathCheck } from '../../../workflows/policy/path-check.ts';
import { attended, call, decide, profileWith, runScope } from './decide.ts';

const beside = ['/srv/library'];
const profile = profileWith(
  [
    { effect: 'read', paths: ['**/.env'], decision: 'deny' },
    { effect: 'read', decision: 'allow' },
    { effect: 'write', decision: 'allow' },
    { effect: 'execute', paths: ['**/.env'], decision: 'deny' },
    { effect: 'execute', readingCommands: true, decision: 'allow' },
    { effect: 'execute', commands: ['npm run *'], decision: 'allow' },
  ],
  { id: 'shop' },
);

function decided(effect: 'read' | 'write' | 'execute', subject: string, others = beside): string {
  const { decision, ruleText } = decide(profile, call(effect, subject), { beside: others });
  return `${decision}: ${ruleText}`;
}

test('a path in another project of the workspace is inside for a read, by the rules that hold for any', () => {
  expect(decided('read', '/srv/library/src/cart.ts')).toMatch(/^allow/);
  expect(decided('read', '/srv/library/a/.env')).toMatch(/^deny: .*\.env/);
  expect(decided('read', '/srv/library/../secret')).toBe('deny: outside the project');
  expect(decided('read', '/srv/library-of-others/x')).toBe('deny: outside the project');
  expect(decided('read', '/srv/library/src/cart.ts', [])).toBe('deny: outside the project');
});

test('nothing is written in another project of the workspace, whatever a rule allows', () => {
  const { decision, ruleText, reason } = decide(profile, call('write', '/srv/library/x'), { beside });
  expect([decision, ruleText, reason]).toEqual([
    'deny',
    'a project to read only',
    '/srv/library/x lies in /srv/library, which this run only reads; write in its own project',
  ]);
  expect(decided('write', 'a.ts\n/srv/library/x')).toBe('deny: a project to read only');
  expect(decided('write', '/project/a.ts')).toMatch(/^allow/);
});

test('a command that only reads may read there; any other may not name it', () => {
  expect(decided('execute', 'cat /srv/library/src/cart.ts')).toMatch(/^allow/);
  expect(decided('execute', 'cat /srv/library/.env')).toMatch(/^deny/);
  expect(decided('execute', 'cat /srv/other/src/cart.ts')).toMatch(/^ask/);
  expect(decided('execute', 'cat a.ts > /srv/library/b.ts')).toMatch(/^ask/);
  expect(decided('execute', 'npm run /srv/library/build')).toMatch(/^ask/);
  expect(decided('execute', 'git diff /srv/library/a /srv/library/b')).toMatch(/^ask/);
  expect(decided('execute', 'cd /srv/library')).toMatch(/^ask/);
});

test('a link that leads to the same name in another project is decided anew', () => {
  const context = { ...attended, beside };
  const check = createPathCheck(runScope(profile), call('read', '.env.sample'), context);
  expect(check('/srv/library/.env', 'itself')).toMatch(/^Denied by policy/);
  expect(check('/srv/library/.env.sample', 'itself')).toBeUndefined();
  const named = createPathCheck(runScope(profileWith([])), call('read', 'a.ts'), context);
  expect(named('a.ts', 'itself')).toBeUndefined();
  expect(named('/srv/library/a.ts', 'itself')).toMatch(/^Denied by policy/);
});
