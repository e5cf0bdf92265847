import { expect, test } from 'vitest';
import type { PolicyRule } from '../../../workflows/contracts/policy.ts';
import { evaluate } from '../../../workflows/policy/evaluate.ts';
import { attended, call, decide, profileWith } from './decide.ts';

const allowAll: PolicyRule = { decision: 'allow' };

test('a decision says which rule of which version of which profile, and why', () => {
  const rules: PolicyRule[] = [
    { effect: 'read', decision: 'allow' },
    { effect: 'write', paths: ['docs/**'], decision: 'ask', reason: 'the documents are read by customers' },
    allowAll,
  ];
  const scopes = [{ scope: 'run' as const, profile: profileWith(rules), version: 7 }];
  expect(evaluate(scopes, call('write', './docs/a.md'), attended)).toEqual({
    decision: 'ask',
    original: 'ask',
    scope: 'run',
    profileId: 'own',
    profileVersion: 7,
    ruleIndex: 1,
    ruleText: 'ask write: docs/**',
    reason: 'the documents are read by customers',
    part: './docs/a.md',
  });
  expect(evaluate(scopes, call('write', 'docs/a.md'), { ...attended, attended: false })).toMatchObject({
    decision: 'deny',
    original: 'ask',
    ruleIndex: 1,
    reason: 'the documents are read by customers, and nobody is there to ask',
  });
});

test('the first rule that matches decides, and the ones behind it are told when asked for', () => {
  const run = profileWith([
    { effect: 'write', decision: 'ask' },
    { paths: ['b/**'], decision: 'deny' },
    allowAll,
  ]);
  const global = profileWith([{ tool: 'write', decision: 'deny' }], { id: 'house' });
  const scopes = [
    { scope: 'run' as const, profile: run, version: 1 },
    { scope: 'global' as const, profile: global, version: 3 },
  ];
  const decided = evaluate(scopes, call('write', 'a'), { ...attended, explain: true });
  expect(decided).toMatchObject({ decision: 'ask', scope: 'run', ruleIndex: 0 });
  expect(decided.next).toEqual([
    {
      scope: 'run',
      profileId: 'own',
      profileVersion: 1,
      ruleIndex: 2,
      ruleText: 'allow anything',
      decision: 'allow',
    },
    {
      scope: 'global',
      profileId: 'house',
      profileVersion: 3,
      ruleIndex: 0,
      ruleText: 'deny write',
      decision: 'deny',
    },
  ]);
});

test('the run goes before the project and the project before the house; silence is for the nearest to fill', () => {
  const near = profileWith([{ paths: ['a'], decision: 'allow' }], { id: 'near', mode: 'plan' });
  const far = profileWith([{ paths: ['a', 'b'], decision: 'ask' }], { id: 'far', mode: 'delegate' });
  const scopes = [
    { scope: 'run' as const, profile: near, version: 1 },
    { scope: 'project' as const, profile: far, version: 1 },
  ];
  const decided = ['a', 'b', 'c'].map((path) => evaluate(scopes, call('read', path), attended));
  expect(decided.map(({ decision, scope, profileId }) => [decision, scope, profileId])).toEqual([
    ['allow', 'run', 'near'],
    ['ask', 'project', 'far'],
    ['deny', 'run', 'near'],
  ]);
});

test('without a profile, or with one that does not exist in any scope, nothing is allowed', () => {
  const denied = { decision: 'deny', ruleText: 'unknown profile', ruleIndex: null };
  expect(evaluate([], call('read', 'a'), attended)).toMatchObject({ ...denied, scope: null });
  const scopes = [
    { scope: 'run' as const, profile: profileWith([allowAll]), version: 1 },
    { scope: 'global' as const, profile: undefined, version: 0 },
  ];
  expect(evaluate(scopes, call('read', 'a'), attended)).toMatchObject(denied);
});

test('every mode says what counts when no rule matches; a default of the profile goes before it', () => {
  const effects = ['read', 'write', 'execute', 'network'] as const;
  const table = (['plan', 'default', 'acceptEdits', 'delegate'] as const).map((mode) =>
    effects.map((effect) => decide(profileWith([], { mode }), call(effect, 'x')).decision),
  );
  expect(table).toEqual([
    ['deny', 'deny', 'deny', 'deny'],
    ['ask', 'ask', 'ask', 'ask'],
    ['allow', 'allow', 'ask', 'ask'],
    ['allow', 'allow', 'allow', 'ask'],
  ]);
  const own = profileWith([], { defaults: { read: 'allow', execute: 'deny', network: 'allow' } });
  expect(effects.map((effect) => decide(own, call(effect, 'x')).decision)).toEqual([
    'allow',
    'ask',
    'deny',
    'allow',
  ]);
});

test('with nobody there the network has a default of its own, and a rule still goes before it', () => {
  const rules: PolicyRule[] = [{ hosts: ['docs.example.org'], decision: 'allow' }];
  const network = (host: string, rest: object) =>
    decide(profileWith(rules, rest), call('network', host), { attended: false }).decision;
  expect([
    network('example.org', { mode: 'delegate', defaults: { network: 'allow' } }),
    network('example.org', { headlessNetwork: 'allow' }),
    network('docs.example.org', {}),
  ]).toEqual(['deny', 'allow', 'allow']);
});

test('plan mode only reads, whatever a rule allows and whichever of run and profile asks for it', () => {
  const plan = profileWith([allowAll], { mode: 'plan' });
  const wanted = [
    call('read', 'a'),
    call('write', 'a'),
    call('execute', 'ls'),
    call('network', 'example.org'),
  ];
  const denied = { decision: 'deny', ruleText: 'plan mode', reason: 'plan mode only reads' };
  expect(decide(plan, call('write', 'a'))).toMatchObject(denied);
  for (const [profile, mode] of [
    [plan, null],
    [plan, 'delegate'],
    [profileWith([allowAll]), 'plan'],
  ] as const) {
    expect(wanted.map((each) => decide(profile, each, { mode }).decision)).toEqual([
      'allow',
      'deny',
      'deny',
      'deny',
    ]);
  }
});

test('a rule that has expired is as if it were not there', () => {
  const profile = profileWith([
    { effect: 'read', decision: 'allow', expiresAt: '2026-03-01T12:00:01Z' },
    { effect: 'write', decision: 'allow', expiresAt: '2026-03-01T12:00:00Z' },
  ]);
  expect([decide(profile, call('read', 'a')).decision, decide(profile, call('write', 'a')).decision]).toEqual(
    ['allow', 'ask'],
  );
});

test('a call with several paths is decided by the strictest, whose path is named', () => {
  const profile = profileWith([
    { paths: ['b'], decision: 'deny' },
    { paths: ['c'], decision: 'ask' },
    allowAll,
  ]);
  const decided = ['a\na', 'a\nc', 'c\na\nb', 'a\n'].map((paths) => decide(profile, call('write', paths)));
  expect(decided.map(({ decision, part }) => [decision, part])).toEqual([
    ['allow', 'a'],
    ['ask', 'c'],
    ['deny', 'b'],
    ['deny', 'a\n'],
  ]);
});

test('what is not understood cannot slip past a rule that forbids: what would be allowed is asked', () => {
  const profile = profileWith([{ commands: ['git push **'], decision: 'deny' }, allowAll]);
  const decided = ['git push', 'git --no-pager push', 'git $x', 'git status', 'eval "$x"', 'ls > x'].map(
    (command) => decide(profile, call('execute', command)),
  );
  expect(decided.map(({ decision }) => decision)).toEqual(['deny', 'deny', 'ask', 'allow', 'ask', 'allow']);
  expect(decided[4]?.reason).toBe(
    '"deny anything: git push **" cannot be ruled out: eval runs or changes what its arguments say',
  );
});

test('only a rule that names no commands allows what is not understood', () => {
  const decisions = [
    profileWith([allowAll]),
    profileWith([{ commands: ['**'], decision: 'allow' }]),
    profileWith([], { mode: 'delegate' }),
  ].map((profile) =>
    ['ls', 'eval x', 'ls > x'].map((command) => decide(profile, call('execute', command)).decision),
  );
  expect(decisions).toEqual([
    ['allow', 'allow', 'allow'],
    ['allow', 'ask', 'ask'],
    ['allow', 'ask', 'ask'],
  ]);
});

test('a path that is forbidden is forbidden in a command too, and allowed by no command', () => {
  const deny = profileWith([
    { paths: ['**/.env', 'keys/**'], decision: 'deny' },
    { commands: ['**'], decision: 'allow' },
  ]);
  const named = [
    'cat .env',
    'cat /project/keys/a',
    'x --file=.env',
    'x -f.env',
    'x @.env',
    'x host:.env',
    'cat < .env',
    'f=.env; cat $f',
    'for f in .env; do cat $f; done',
    'cat ../.env',
    'cat ~/.env',
    'cat "$d/.env"',
  ];
  expect(named.filter((command) => decide(deny, call('execute', command)).decision !== 'deny')).toEqual([]);
  const free = ['cat .envrc', 'echo "see .env"', 'ls keyset', 'cat src/keys.ts'];
  expect(free.filter((command) => decide(deny, call('execute', command)).decision !== 'allow')).toEqual([]);
  const allow = profileWith([{ paths: ['**'], decision: 'allow' }]);
  expect(decide(allow, call('execute', 'cat a')).decision).toBe('ask');
});

test('what concerns only the run itself is met by the name of its tool alone', () => {
  const todo = { tool: 'todo', effect: 'read', subjectKind: 'run', subject: 'todo list' } as const;
  const decisions = [
    [{ decision: 'deny' }],
    [{ effect: 'read', decision: 'ask' }],
    [{ tool: 'todo', decision: 'deny' }],
  ] as PolicyRule[][];
  expect(decisions.map((rules) => decide(profileWith(rules), todo).decision)).toEqual([
    'allow',
    'allow',
    'deny',
  ]);
});

test('hosts match by their whole name, whatever the letters and the last dot', () => {
  const profile = profileWith([{ hosts: ['example.org', '*.Example.com', '[::1]'], decision: 'allow' }]);
  const hosts = [
    'example.org',
    'EXAMPLE.ORG.',
    'a.b.example.com',
    '::1',
    '[::1]',
    'example.com',
    'badexample.org',
    'example.org.evil.net',
    'x.example.org',
  ];
  expect(hosts.filter((host) => decide(profile, call('network', host)).decision === 'allow')).toEqual(
    hosts.slice(0, 5),
  );
  expect(decide(profile, call('network', 'example.org/x')).ruleText).toBe('unusable host');
});

test('globs span directories and hidden names, and those that forbid take no notice of case', () => {
  const decisions = (rule: Omit<PolicyRule, 'decision'>, paths: string[]) =>
    paths.filter(
      (path) =>
        decide(profileWith([{ ...rule, decision: 'allow' }]), call('read', path)).decision === 'allow',
    );
  expect(
    decisions({ paths: ['src/**'] }, ['src', 'src/a', 'src/.a/.b', 'SRC/a', 'srcs/a', 'a/src/b']),
  ).toEqual(['src', 'src/a', 'src/.a/.b']);
  expect(
    decisions({ paths: ['*.md', '{a,b}/?.ts'] }, ['x.md', '.md', 'a/x.md', 'b/c.ts', 'b/cc.ts']),
  ).toEqual(['x.md', '.md', 'b/c.ts']);
  expect(decisions({ paths: ['**'] }, ['.', 'a', '.a/b'])).toEqual(['.', 'a', '.a/b']);
  const deny = profileWith([{ paths: ['**/.env'], decision: 'deny' }, allowAll]);
  expect(decide(deny, call('read', 'a/.ENV')).decision).toBe('deny');
});
