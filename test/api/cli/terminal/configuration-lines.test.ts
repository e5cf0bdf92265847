// The first lines of a run.
import { expect, test } from 'vitest';
import { sourcesOf } from '../../../support/accepting.ts';
import type { EventPayload } from '../../../../workflows/contracts/event.ts';
import { drawn } from './drawn.ts';

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

test('in a narrow terminal they break between words; tools of a caller that are carried on are said', () => {
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

test('the first line says which sandbox and which tree a run has, and its end how changes come home', () => {
  const sources = sourcesOf('instance');
  const firstLine = (how: Partial<EventPayload<'run-queued'>>): string | undefined =>
    drawn([{ type: 'run-queued', payload: { ...payload, priority: 'normal', sources, ...how } }])
      .split('\n')[0]
      ?.split(' · ')[3];
  expect([
    firstLine({ execMode: 'mount' }),
    firstLine({ execMode: 'sandbox', workTree: 'own' }),
    firstLine({ execMode: 'bubblewrap' }),
    firstLine({ execMode: 'bubblewrap', sources: { ...sources, execMode: 'preset' } }),
    firstLine({ execMode: 'sandbox', workTree: 'own', sources: { ...sources, workTree: 'request' } }),
    firstLine({ execMode: 'container', container: { id: 'web' }, sources: sourcesOf('request') }),
    firstLine({ workTree: 'own' }),
    firstLine({ execMode: 'sandbox', workTree: 'own', bringsHome: true, sources: sourcesOf('request') }),
  ]).toEqual([
    undefined,
    'in sandbox on a copy of its project, as it is unattended',
    'in bubblewrap, as it is unattended',
    'in bubblewrap',
    'in sandbox, as it is unattended, on a copy of its project',
    'in your container web',
    'on a copy of its project',
    'in sandbox on a copy of its project that comes home when it succeeds',
  ]);
  const end = {
    ...{ final: true as const, status: 'succeeded' as const, reason: 'finished' as const, reasonText: '' },
    ...{ steps: 1, usage: { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 }, costMicros: 1 },
  };
  const [withChanges, without] = [{ toApply: true as const }, {}].map((more) =>
    drawn([{ type: 'run-end', payload: { ...end, ...more } }]),
  );
  expect(withChanges).toMatch(/ · its changes come home by perdure apply \w+\n$/);
  expect(without).not.toContain('apply');
});
