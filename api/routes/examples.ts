// What the examples of several routes share: one run, its conversation, and a page of one item.
import type { PolicyProfile } from '../../workflows/contracts/policy.ts';
import type { Preset } from '../../workflows/contracts/preset.ts';

export const runId = '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11';
export const conversationId = '0193d5a0-7c1d-7c41-8a53-6d1b7e5f4c20';
export const at = '2026-01-05T09:30:00.000Z';

export const pageExample = (item: unknown) => ({ items: [item], nextCursor: null });

/** The answer when a run is started. */
export const startedExample = {
  id: runId,
  conversationId,
  status: 'queued',
  became: 'run',
  streamUrl: `/api/v1/runs/${runId}/stream`,
  eventsUrl: `/api/v1/runs/${runId}/events`,
};

export const runExample = {
  id: runId,
  conversationId,
  kind: 'main',
  parentId: null,
  alternativeOf: null,
  delegation: null,
  subagents: 0,
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
  workspace: null,
  limits: { steps: 50 },
  metadata: { ticket: 'SHOP-12' },
  attended: false,
  execMode: 'mount',
  container: null,
  executor: null,
  workTree: 'in-place',
  overBudget: 'fail',
  owner: null,
  preset: null,
  externalTools: [],
  sources: {
    preset: 'instance',
    project: 'request',
    workspace: 'instance',
    model: 'request',
    policy: 'instance',
    priority: 'instance',
    owner: 'instance',
    attended: 'instance',
    execMode: 'instance',
    container: 'instance',
    workTree: 'instance',
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
  homecoming: null,
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

export const presetExample: Preset = {
  id: 'reviewer-of-shops',
  name: 'Reviewer of shops',
  model: 'scripted/hello',
  instructions: 'You review changes to {{ shop }}. Name the file and the line of each finding.',
  variables: { shop: { description: 'What is sold there.', default: 'a shop' } },
  tools: { off: ['write', 'edit', 'patch'] },
  policy: 'plan-readonly',
  limits: { steps: 30 },
};

/** A subagent of that run. */
export const childExample = {
  ...runExample,
  id: '01980000-0000-7000-8000-000000000009',
  delegation: {
    runId: runExample.id,
    callId: '2.0',
    rootId: runExample.id,
    name: 'reader',
    depth: 1,
    async: false,
    state: 'delivered',
  },
  subagents: 0,
  prompt: 'Read cart.ts and say where it rounds.',
  finalMessage: 'In line 12, before the discount.',
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

export const taskExample = {
  id: '0193d5a7-0c3e-7d12-8a4b-2f6f0d3a9c01',
  title: 'Mend the rounding',
  prompt: 'Prices of carts are rounded twice. Round once, and show it with a test.',
  priority: 'high',
  labels: ['review'],
  files: [],
  acceptance: [],
  dependsOn: [],
  run: { project: { path: '/home/me/shop' } },
  status: 'in_progress',
  progress: 0,
  note: null,
  retries: 3,
  attempts: 0,
  lastAttemptAt: null,
  reason: null,
  againAt: null,
  claim: 1,
  executorId: '0193d5a7-0c3e-7d12-8a4b-2f6f0d3a9c02',
  claimedAt: at,
  runId: null,
  version: 2,
  createdAt: at,
  createdBy: 'first (cli)',
  updatedAt: at,
  endedAt: null,
  claims: [
    {
      claim: 1,
      executorId: '0193d5a7-0c3e-7d12-8a4b-2f6f0d3a9c02',
      executor: 'reviewer-7',
      runId: null,
      claimedAt: at,
      endedAt: null,
      outcome: null,
      reason: null,
      late: null,
    },
  ],
};
