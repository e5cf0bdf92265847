import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Effect } from '../../../workflows/contracts/call.ts';
import type { PolicyRule } from '../../../workflows/contracts/policy.ts';
import { evaluate } from '../../../workflows/policy/evaluate.ts';
import { builtInProfiles } from '../../../workflows/policy/presets.ts';
import { splitSubject } from '../../../workflows/policy/subject.ts';
import { call, decide, profileWith, runScope } from './decide.ts';

const effects = fc.constantFrom<Effect>('read', 'write', 'execute', 'network');
const decisions = fc.constantFrom('allow' as const, 'ask' as const, 'deny' as const);
const some = <T>(...values: T[]) => fc.subarray(values, { minLength: 1, maxLength: 2 });

// Small stocks of words, so that rules and calls often meet.
const likelyRule: fc.Arbitrary<PolicyRule> = fc
  .record({
    about: fc.oneof(
      fc.record({ paths: some('**', 'src/**', '**/.env', '*.md', 'a') }),
      fc.record({ commands: some('**', 'git **', 'git status', 'ls', 'ls *', 'curl **') }),
      fc.record({ hosts: some('*', 'a.org', '*.a.org') }),
      fc.constant({}),
    ),
    who: fc.oneof(
      fc.constant({}),
      effects.map((effect) => ({ effect })),
      fc.constant({ tool: 'shell' }),
    ),
    decision: decisions,
  })
  .map(({ about, who, decision }) => ({ ...who, ...about, decision }));

const simple = [
  'git status',
  'ls',
  'ls a',
  'ls "$x"',
  'curl a',
  'x=1',
  'eval b',
  'git status > a',
  'env ls',
  'cat .env',
  'PATH=. ls',
  '$x',
];
const joints = [' && ', ' || ', '; ', '\n', ' | ', ' & '];
const chain = fc
  .array(
    fc.tuple(fc.constantFrom(...simple), fc.constantFrom(...joints), fc.constantFrom('', '(', '$', 'if')),
    { minLength: 1, maxLength: 4 },
  )
  .map((links) => links.map(([command, joint, around]) => ({ command, joint, around })));

function wrap({ command, around }: { command: string; around: string }): string {
  if (around === '(') return `(${command}\n)`;
  if (around === '$') return `ls "$(${command}\n)"`;
  return around === 'if' ? `if ${command}\nthen ls; fi` : command;
}

const likelyCall = fc
  .oneof(
    fc.tuple(
      fc.constantFrom<Effect>('read', 'write'),
      fc.constantFrom('a', 'src/b', '.env', 'src/../.env', 'x.md', '.', 'a\n.env', '/etc/x'),
    ),
    chain.map(
      (links) => ['execute' as const, links.map((link) => wrap(link) + link.joint).join('') + 'ls'] as const,
    ),
    fc.tuple(fc.constant<Effect>('network'), fc.constantFrom('a.org', 'b.a.org', 'c.org')),
  )
  .map(([effect, subject]) => call(effect, subject));

const context = fc.record({
  mode: fc.constantFrom(
    null,
    'plan' as const,
    'default' as const,
    'acceptEdits' as const,
    'delegate' as const,
  ),
  attended: fc.boolean(),
});
const strictness = { allow: 0, ask: 1, deny: 2 };

test('a rule that denies, put in front, never makes anything laxer', () => {
  fc.assert(
    fc.property(
      fc.array(likelyRule, { maxLength: 6 }),
      likelyRule,
      likelyCall,
      context,
      (rules, front, wanted, given) => {
        const before = decide(profileWith(rules), wanted, given);
        const after = decide(profileWith([{ ...front, decision: 'deny' }, ...rules]), wanted, given);
        expect(strictness[after.decision]).toBeGreaterThanOrEqual(strictness[before.decision]);
      },
    ),
    { numRuns: 500 },
  );
});

test('a chain is never allowed unless each of its parts is, and is denied when one of them is', () => {
  fc.assert(
    fc.property(fc.array(likelyRule, { maxLength: 6 }), chain, context, (rules, links, given) => {
      const profile = profileWith(rules);
      const whole = decide(
        profile,
        call('execute', links.map((link) => wrap(link) + link.joint).join('') + 'ls'),
        given,
      );
      // By itself, what runs nothing is no command at all.
      const parts = links
        .filter(({ command }) => command !== 'x=1')
        .map(({ command }) => decide(profile, call('execute', command), given));
      const strictest = Math.max(0, ...parts.map(({ decision }) => strictness[decision]));
      expect(strictness[whole.decision]).toBeGreaterThanOrEqual(strictest);
    }),
    { numRuns: 500 },
  );
});

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        ...'$`(){}[]<>|&;\\\'"~*?!#=\n \0',
        '<<E\n',
        'E',
        '$((',
        '${',
        'eval ',
        '@(',
        'a',
        '/',
        '..',
        '.env',
      ),
    )
    .map((parts) => parts.join('')),
);
const anyRule: fc.Arbitrary<PolicyRule> = fc.record(
  {
    tool: anyText,
    effect: effects,
    paths: fc.array(anyText, { maxLength: 3 }),
    commands: fc.array(anyText, { maxLength: 3 }),
    hosts: fc.array(anyText, { maxLength: 3 }),
    decision: decisions,
    expiresAt: anyText,
  },
  { requiredKeys: ['decision'] },
);

test('evaluate never throws, whatever the rules, the call and the place', () => {
  fc.assert(
    fc.property(
      fc.array(anyRule, { maxLength: 4 }),
      fc.record({
        tool: anyText,
        effect: effects,
        subject: anyText,
        subjectKind: fc.constantFrom(
          undefined,
          'path' as const,
          'command' as const,
          'host' as const,
          'run' as const,
        ),
      }),
      fc.record({
        projectRoot: fc.option(anyText),
        mode: fc.constant(null),
        attended: fc.boolean(),
        now: fc.date({ noInvalidDate: false }),
        explain: fc.boolean(),
      }),
      (rules, wanted, given) => {
        const decided = evaluate(runScope(profileWith(rules)), wanted, given);
        expect(['allow', 'ask', 'deny']).toContain(decided.decision);
        if (!given.attended) expect(decided.decision).not.toBe('ask');
        expect(JSON.parse(JSON.stringify(decided))).toEqual(decided);
      },
    ),
    { numRuns: 1000 },
  );
});

test('no built-in profile allows a path outside of the project, whatever it is written like', () => {
  const steps = fc.array(fc.constantFrom('..', '.', '', 'a', 'project', 'etc'), { maxLength: 6 });
  fc.assert(
    fc.property(
      steps,
      fc.constantFrom('', '/'),
      effects,
      fc.constantFrom(...builtInProfiles),
      (names, start, effect, profile) => {
        const subject = start + names.join('/');
        const resolved = path.posix.resolve('/project', subject === '' ? '.' : subject);
        fc.pre(resolved !== '/project' && !resolved.startsWith('/project/'));
        expect(decide(profile, { ...call(effect, subject), subjectKind: 'path' }).decision).toBe('deny');
      },
    ),
  );
});

test('the parts of a call are all there is of it: none is lost and none is empty', () => {
  fc.assert(
    fc.property(anyText, effects, (subject, effect) => {
      const parts = splitSubject(call(effect, subject), '/project');
      if ('what' in parts) expect([parts.what, parts.reason].every((text) => text.length > 0)).toBe(true);
      else expect(parts.length).toBeGreaterThan(0);
    }),
  );
});
