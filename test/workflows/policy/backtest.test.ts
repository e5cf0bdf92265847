import { expect, test } from 'vitest';
import { createBacktest, preview, type StoredCall } from '../../../workflows/policy/backtest.ts';
import { attended, call, profileWith, runScope } from './decide.ts';

const stored = (rest: Partial<StoredCall>, index = 0): StoredCall => ({
  runId: 'r1',
  callId: `${index + 1}.0`,
  tool: 'shell',
  effect: 'execute',
  subject: 'npm test',
  projectRoot: '/project',
  mode: null,
  attended: false,
  decision: 'allow',
  inputHash: '',
  ...rest,
});

const draft = profileWith([
  { commands: ['npm **'], decision: 'ask' },
  { paths: ['docs/**'], decision: 'deny', reason: 'the documents are settled' },
  { decision: 'allow' },
]);

test('what a draft would have decided otherwise is grouped by what would decide, the largest group first', () => {
  const calls: StoredCall[] = [
    ...Array.from({ length: 7 }, (_, index) => stored({ subject: `npm run ${index}` }, index)),
    stored({ subject: 'npm run there', attended: true, callId: '8.0' }),
    stored({
      tool: 'write',
      effect: 'write',
      subject: '/elsewhere/docs/a.md',
      projectRoot: '/elsewhere',
      callId: '9.0',
    }),
    stored({ tool: 'write', effect: 'write', subject: 'src/a.ts', decision: 'deny', callId: '10.0' }),
    stored({ subject: 'ls', callId: '11.0' }),
    stored({ subject: '3.0', tool: 'shell-kill', subjectKind: 'run', callId: '12.0' }),
    stored({ tool: 'fly', effect: null, subject: '', decision: 'deny', callId: '13.0' }),
  ];
  const asked = {
    tool: 'shell',
    effect: 'execute',
    from: 'allow',
    ruleIndex: 0,
    ruleText: 'ask anything: npm **',
  };
  const backtest = createBacktest(attended.now);
  for (const each of calls) backtest.add(each, { scopes: runScope(draft), remembered: [] });
  expect(backtest.result()).toEqual({
    calls: 12,
    changed: 10,
    skipped: 1,
    groups: [
      {
        ...asked,
        to: 'deny',
        reason: 'own asks about execute, and nobody is there to ask',
        calls: 7,
        examples: [0, 1, 2, 3, 4].map((index) => ({
          runId: 'r1',
          callId: `${index + 1}.0`,
          subject: `npm run ${index}`,
        })),
      },
      {
        ...asked,
        to: 'ask',
        reason: 'own asks about execute',
        calls: 1,
        examples: [{ runId: 'r1', callId: '8.0', subject: 'npm run there' }],
      },
      {
        ...{ tool: 'write', effect: 'write', from: 'allow', to: 'deny' },
        ...{ ruleIndex: 1, ruleText: 'deny anything: docs/**', reason: 'the documents are settled' },
        calls: 1,
        examples: [{ runId: 'r1', callId: '9.0', subject: '/elsewhere/docs/a.md' }],
      },
      {
        ...{ tool: 'write', effect: 'write', from: 'deny', to: 'allow' },
        ...{ ruleIndex: 2, ruleText: 'allow anything', reason: 'own allows write' },
        calls: 1,
        examples: [{ runId: 'r1', callId: '10.0', subject: 'src/a.ts' }],
      },
    ],
  });
});

test('a preview tells for each call what decides and what would be next', () => {
  const applying = { scopes: runScope(draft), remembered: [] };
  const decisions = [call('execute', 'npm test'), call('read', 'src/a.ts')].map((each) =>
    preview(applying, { ...each, inputHash: '' }, attended),
  );
  expect(
    decisions.map(({ decision, ruleIndex, next }) => [
      decision,
      ruleIndex,
      next?.map((rule) => rule.ruleIndex),
    ]),
  ).toEqual([
    ['ask', 0, [2]],
    ['allow', 2, []],
  ]);
});
