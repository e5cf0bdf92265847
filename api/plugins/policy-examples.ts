// One example of each policy operation of the API, for its description.
import type { PolicyProfile } from '../../workflows/contracts/policy.ts';

const at = '2026-02-03T10:15:00.000Z';
const profile: PolicyProfile = {
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
const view = { ...profile, version: 1, builtIn: false };
const rule = {
  tool: 'shell',
  commands: ['npm ci'],
  decision: 'allow',
  expiresAt: '2026-03-05T10:15:00.000Z',
};
const asked = {
  ...{ scope: 'run', profileId: 'shop', profileVersion: 1, ruleIndex: null, ruleText: 'no rule matches' },
  ...{ decision: 'deny', original: 'ask', part: 'npm publish', next: [] },
  reason: 'no rule of shop matches, and then default mode asks about execute, and nobody is there to ask',
};
const group = {
  ...{ tool: 'shell', effect: 'execute', from: 'allow', to: 'ask', ruleIndex: null, calls: 12 },
  ...{
    ruleText: 'no rule matches',
    reason: 'no rule of shop matches, and then default mode asks about execute',
  },
  examples: [{ runId: '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11', callId: '3.0', subject: 'npm publish' }],
};
const decided = {
  ...{ id: '4711', at, actor: 'policy shop', action: 'call-deny', callId: '3.0', detail: { tool: 'read' } },
  runId: '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11',
  rule: 'shop: deny anything: **/.env',
  reason: 'it holds the keys of the payment provider',
};

export const policyExamples = {
  listPolicies: { answer: { items: [view], nextCursor: null } },
  createPolicy: { body: { profile }, answer: view },
  getPolicy: { answer: view },
  updatePolicy: { body: { version: 1, profile }, answer: { ...view, version: 2 } },
  customisePolicy: { body: { id: 'shop', name: 'The shop' }, answer: view },
  applyPolicy: {
    body: { project: '/home/me/shop', policy: 'shop' },
    answer: { project: '/home/me/shop', policy: 'shop' },
  },
  listRememberedAnswers: {
    answer: {
      items: [
        {
          ...{ id: '0193d5a3-11aa-7c3e-8b11-0c5f0b2d7e01', scope: 'project', key: '/home/me/shop', rule },
          ...{ expiresAt: rule.expiresAt, by: 'first (cli)' },
        },
      ],
      nextCursor: null,
    },
  },
  evaluatePolicy: {
    body: { policy: 'shop', calls: [{ tool: 'shell', input: { command: 'npm publish' } }] },
    answer: {
      items: [{ tool: 'shell', subject: 'npm publish', effect: 'execute', problem: null, decision: asked }],
    },
  },
  backtestPolicy: {
    body: { draft: profile, days: 7 },
    answer: { calls: 340, changed: 12, skipped: 2, groups: [group], since: at, truncated: false },
  },
  listAudit: { answer: { items: [decided], nextCursor: null } },
};
