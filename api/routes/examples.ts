// What the examples of several routes share: one run, its conversation, and a page of one item.
import type { PolicyProfile } from '../../workflows/contracts/policy.ts';

export const runId = '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11';
export const conversationId = '0193d5a0-7c1d-7c41-8a53-6d1b7e5f4c20';
export const at = '2026-01-05T09:30:00.000Z';

export const pageExample = (item: unknown) => ({ items: [item], nextCursor: null });

/** The answer when a run is started. */
export const startedExample = {
  id: runId,
  conversationId,
  status: 'queued',
  streamUrl: `/api/v1/runs/${runId}/stream`,
  eventsUrl: `/api/v1/runs/${runId}/events`,
};

export const runExample = {
  id: runId,
  conversationId,
  parentId: null,
  status: 'succeeded',
  parked: false,
  stuck: null,
  reason: 'finished',
  reasonText: 'The agent said it is done.',
  prompt: 'Make the failing test pass.',
  model: 'scripted/demo',
  policy: 'headless-safe-sandbox',
  priority: 'normal',
  project: { path: '/home/me/shop' },
  limits: { steps: 50 },
  metadata: { ticket: 'SHOP-12' },
  attended: false,
  execMode: 'mount',
  overBudget: 'fail',
  owner: null,
  externalTools: [],
  sources: {
    project: 'request',
    model: 'request',
    policy: 'instance',
    priority: 'instance',
    owner: 'instance',
    attended: 'instance',
    execMode: 'instance',
    overBudget: 'instance',
    externalTools: 'instance',
    limits: {
      steps: 'request',
      seconds: 'instance',
      costMicros: 'instance',
      tokens: 'instance',
      maxOutputTokens: 'instance',
    },
  },
  acceptNoContainment: false,
  deniedCalls: { count: 0, items: [] },
  steps: 4,
  usage: { inputTokens: 5210, cachedInputTokens: 3900, outputTokens: 640 },
  costMicros: 18400,
  ceilingCostMicros: 0,
  heldCostMicros: 0,
  createdAt: at,
  startedAt: at,
  endedAt: at,
  finalMessage: 'The rounding in cart.ts was wrong; it is fixed and the test passes.',
};

export const profileExample: PolicyProfile = {
  id: 'shop',
  name: 'The shop',
  description: 'Reads and writes in the project, runs its tests, asks about the rest.',
  mode: 'default',
  rules: [
    { paths: ['**/.env'], decision: 'deny', reason: 'it holds the keys of the payment provider' },
    { effect: 'read', decision: 'allow' },
    { effect: 'write', paths: ['src/**', 'test/**'], decision: 'allow' },
    {
      effect: 'execute',
      commands: ['npm test **'],
      decision: 'allow',
      examples: { match: ['npm test -- cart'], noMatch: ['npm test; npm publish'] },
    },
  ],
  limits: { steps: 50, seconds: 600, costMicros: 5_000_000 },
  stall: { steps: 5, replans: 2 },
};
