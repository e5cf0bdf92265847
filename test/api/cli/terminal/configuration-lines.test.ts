// The first lines of a run.
import { expect, test } from 'vitest';
import { sourcesOf } from '../../../support/accepting.ts';
import { drawn } from './drawn.ts';

test('in a narrow terminal they break between words; tools of a caller that are carried on are said', () => {
  const id = '01900000-0000-7000-8000-000000000001';
  const payload = {
    conversationId: id,
    parentId: null,
    prompt: 'Mend it.',
    messageId: 'm1',
    model: 'scripted/hello',
    policy: 'trusting',
    priority: 'high' as const,
    parked: false,
    project: null,
    limits: { steps: 7, seconds: 90, costMicros: 500_000, tokens: 9 },
    sources: sourcesOf('conversation'),
    by: 'cli',
  };
  expect(drawn([{ type: 'run-queued', payload }], { NO_COLOR: '1' }, true, 50)).toBe(
    [
      '— run 00000001 · scripted/hello · trusting ·',
      '  high priority',
      '— works in an empty scratch folder of its own',
      '— at most 7 steps, 1 min 30 s, $0.50, 9 tokens',
      '— as in the run before: project, model, policy,',
      '  limits, the tools of its caller, who must bring',
      '  their results',
      '',
    ].join('\n'),
  );
});
