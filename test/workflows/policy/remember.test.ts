import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PolicyRule } from '../../../workflows/contracts/policy.ts';
import { quotePattern } from '../../../workflows/policy/command-pattern.ts';
import { profileProblem } from '../../../workflows/policy/profile-problem.ts';
import { recall, remember } from '../../../workflows/policy/remember.ts';
import type { PolicyCall } from '../../../workflows/policy/subject.ts';
import { attended, call, decide, profileWith } from './decide.ts';

const context = { projectRoot: '/project', now: attended.now, expiresAt: new Date('2026-03-08T12:00:00Z') };

function remembered(wanted: PolicyCall): PolicyRule {
  const result = remember(wanted, context);
  if ('problem' in result) throw new Error(result.problem);
  return result.rule;
}

function allowed(rule: PolicyRule, wanted: PolicyCall, now = attended.now): boolean {
  return decide(profileWith([rule, { decision: 'ask' }]), wanted, { now }).decision === 'allow';
}

const rest = {
  decision: 'allow',
  reason: 'a person allowed exactly this before',
  expiresAt: '2026-03-08T12:00:00.000Z',
};

test('an answer is remembered for exactly this path, command or host, and for a while', () => {
  expect(remembered(call('write', './src//[a].ts'))).toEqual({
    tool: 'write',
    paths: ['src/\\[a\\].ts'],
    ...rest,
  });
  expect(remembered(call('write', 'a\nb\na', 'patch'))).toEqual({
    tool: 'patch',
    paths: ['a', 'b'],
    ...rest,
  });
  expect(remembered(call('execute', 'npm publish --tag "next one" \'*\' 2>&1'))).toEqual({
    tool: 'shell',
    commands: ["npm publish --tag 'next one' '*'"],
    ...rest,
  });
  expect(remembered(call('network', 'Docs.example.org'))).toEqual({
    tool: 'fetch',
    hosts: ['docs.example.org'],
    ...rest,
  });
  const rule = remembered(call('execute', 'npm publish'));
  expect([
    allowed(rule, call('execute', 'npm publish')),
    allowed(rule, call('execute', 'npm publish'), context.expiresAt),
  ]).toEqual([true, false]);
});

const never: [PolicyCall, RegExp][] = [
  [call('execute', 'npm publish "$TAG"'), /known only when it runs/],
  [call('execute', 'rm *.log'), /known only when it runs/],
  [call('execute', 'bash -c ls'), /is a shell/],
  [call('execute', 'ls > a'), /it writes to a/],
  [call('execute', 'PATH=. ls'), /setting PATH/],
  [call('execute', 'python3 - <<E\nprint(1)\nE'), /input/],
  [call('execute', "psql prod <<< 'select 1'"), /input/],
  [call('execute', 'psql prod < count.sql'), /input/],
  [call('execute', 'echo 1 | psql prod'), /of a chain/],
  [call('execute', 'cd /tmp/scratch && rm -rf data'), /of a chain/],
  [call('execute', 'npm publish --dry-run || npm publish'), /of a chain/],
  [call('execute', 'test -f x && rm -rf data'), /of a chain/],
  [call('execute', 'NODE_ENV=test npm run db:reset'), /sets variables/],
  [call('execute', 'rm -rf data &'), /more than one plain command/],
  [call('execute', '! rm -rf data'), /more than one plain command/],
  [call('execute', '(rm -rf data)'), /more than one plain command/],
  [call('execute', 'if true; then rm -rf data; fi'), /of a chain/],
  [call('execute', 'while :; do rm -rf data; done'), /of a chain/],
  [call('execute', 'for x in 1 2; do rm -rf data; done'), /more than one plain command/],
  [call('execute', 'clean() { rm -rf data; }'), /more than plain commands/],
  [call('execute', ''), /names nothing/],
  [call('write', '../a'), /outside the project/],
  [{ tool: 'delegate', effect: 'execute', subjectKind: 'run', subject: 'x' }, /nothing to be narrow about/],
];

test.each(never)('what is not certain is not remembered: %j', (wanted, problem) => {
  expect(remember(wanted, context)).toEqual({ problem: expect.stringMatching(problem) });
});

test('an answer that would expire in the past is refused', () => {
  expect(remember(call('read', 'a'), { ...context, expiresAt: context.now })).toEqual({
    problem: 'A remembered answer must expire in the future.',
  });
});

test('what was remembered answers the same command and none that gets more than its words', () => {
  const rule = remembered(call('execute', 'psql prod'));
  const context = { ...attended, now: new Date(attended.now) };
  const recalled = (command: string) =>
    recall(call('execute', command), [{ scope: 'project', rule }], context)?.decision;
  expect(recalled(' psql  prod ')).toBe('allow');
  for (const command of [
    "psql prod <<< 'drop table users'",
    'psql prod < drop.sql',
    'cat drop.sql | psql prod',
    'NODE_ENV=production psql prod',
    'psql prod && psql prod',
    'psql prod &',
    'psql other',
  ]) {
    expect([command, recalled(command)]).toEqual([command, undefined]);
  }
});

const odd = fc.string({
  unit: fc.constantFrom(...'ab*?[]{}!()+@#,|.- \'"$`;&\\~=^'),
  minLength: 1,
  maxLength: 8,
});

test('no other command is allowed by what was remembered, whatever its words hold', () => {
  fc.assert(
    fc.property(
      fc.array(odd, { minLength: 1, maxLength: 4 }),
      fc.array(odd, { minLength: 1, maxLength: 4 }),
      (words, others) => {
        const shell = (each: string[]) =>
          call('execute', `run ${each.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')}`);
        const rule = remembered(shell(words));
        expect(profileProblem(profileWith([rule]))).toBeUndefined();
        expect(allowed(rule, shell(words))).toBe(true);
        if (quotePattern(words) !== quotePattern(others)) expect(allowed(rule, shell(others))).toBe(false);
      },
    ),
  );
});

test('no other path is allowed by what was remembered, whatever its name holds', () => {
  const name = odd.filter((text) => !/[\\/]/.test(text) && !['.', '..'].includes(text) && text.trim() !== '');
  fc.assert(
    fc.property(
      fc.array(name, { minLength: 1, maxLength: 3 }),
      fc.array(name, { minLength: 1, maxLength: 3 }),
      (names, others) => {
        const file = (each: string[]) => call('write', each.join('/'));
        const rule = remembered(file(names));
        expect(allowed(rule, file(names))).toBe(true);
        if (names.join('/') !== others.join('/')) expect(allowed(rule, file(others))).toBe(false);
      },
    ),
    { numRuns: 1000 },
  );
});
