// One example for each request and the main answers, shown in the description of the API. By the name of the operation.
import { approvalExamples } from './approval-examples.ts';
import { policyExamples } from './policy-examples.ts';

type Document = ReturnType<typeof import('fastify-type-provider-zod').jsonSchemaTransformObject>;

interface Example {
  body?: unknown;
  answer?: unknown;
}

const runId = '0193d5a0-7c1e-7b52-9f0e-2f6f0d3a9b11';
const conversationId = '0193d5a0-7c1d-7c41-8a53-6d1b7e5f4c20';
const at = '2026-01-05T09:30:00.000Z';

const started = {
  id: runId,
  conversationId,
  status: 'queued',
  streamUrl: `/api/v1/runs/${runId}/stream`,
  eventsUrl: `/api/v1/runs/${runId}/events`,
};
const run = {
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
  steps: 4,
  usage: { inputTokens: 5210, cachedInputTokens: 3900, outputTokens: 640 },
  costMicros: 18400,
  createdAt: at,
  startedAt: at,
  endedAt: at,
  finalMessage: 'The rounding in cart.ts was wrong; it is fixed and the test passes.',
};
const event = {
  stream: `run/${runId}`,
  seq: 7,
  conversationSeq: 7,
  at,
  version: 1,
  attempt: 1,
  type: 'text-delta',
  payload: { step: 1, block: 0, text: 'The test fails because ' },
};
const call = {
  runId,
  callId: '3.0',
  step: 3,
  tool: 'shell',
  input: { command: 'npm publish' },
  effect: 'execute',
  subject: 'npm publish',
  repeat: 'once',
  decision: 'allow',
  rule: 'trusted-mount-autonomous: allow anything',
  reason: 'trusted-mount-autonomous allows execute',
  status: 'unknown',
  output: 'The worker died while this ran: nobody can tell whether it took effect.',
  outputBytes: 73,
  content: null,
  attempts: 1,
  settled: 'done',
  settledBy: 'first (api)',
  startedAt: at,
  endedAt: at,
};
const conversation = {
  id: conversationId,
  title: 'Make the failing test pass.',
  metadata: {},
  activeRunId: null,
  createdAt: at,
  lastActivityAt: at,
};
const letter = {
  id: '0193d5a1-02f4-7d0b-b6a1-54f0c7d9ee01',
  kind: 'call',
  runId,
  callId: '3.0',
  reason: 'It took its worker down three times.',
  attempts: 3,
  createdAt: at,
  resolution: 'retried',
  resolvedAt: at,
  resolvedBy: 'first (api)',
};
const allowance = {
  id: '0193d5a0-7a10-7c33-8d21-0b6f4f1f2a01',
  name: 'tenant',
  model: '',
  version: 1,
  limits: {
    runSeconds: 0,
    concurrentRuns: 0,
    dayRuns: 0,
    hourCalls: 0,
    tokens: 0,
    costMicros: 0,
    dayTokens: 0,
    dayCostMicros: 25_000_000,
    models: [],
  },
  used: {
    concurrentRuns: 1,
    dayRuns: 12,
    hourCalls: 0,
    tokens: 164_400,
    costMicros: 410_000,
    dayTokens: 164_400,
    dayCostMicros: 410_000,
  },
  held: { tokens: 33_000, costMicros: 60_000, dayTokens: 33_000, dayCostMicros: 60_000 },
};
const receipt = { runId, messageId: 'note-1', status: 'accepted', step: null };
const up = { state: 'up', latencyMs: 0.8, problem: null };
const page = (item: unknown) => ({ items: [item], nextCursor: null });

const examples: Record<string, Example> = {
  ...approvalExamples,
  ...policyExamples,
  startRun: {
    body: {
      prompt: 'Make the failing test pass.',
      project: { path: '/home/me/shop' },
      model: 'scripted/demo',
      limits: { steps: 50 },
      metadata: { ticket: 'SHOP-12' },
    },
    answer: started,
  },
  listRuns: { answer: page(run) },
  getRun: { answer: run },
  getRunDiff: {
    answer: {
      runId,
      diff: 'diff --git a/cart.ts b/cart.ts\n…',
      files: [{ path: 'cart.ts', status: 'modified' }],
      truncated: false,
    },
  },
  steerRun: { body: { text: 'Leave the public types alone.', messageId: 'note-1' }, answer: receipt },
  interruptRun: { body: { messageId: 'stop-1' }, answer: { ...receipt, messageId: 'stop-1' } },
  cancelRun: { body: { messageId: 'stop-2' }, answer: { ...receipt, messageId: 'stop-2' } },
  listRunEvents: { answer: page(event) },
  listConversationEvents: { answer: page(event) },
  listCalls: { answer: page(call) },
  settleCall: { body: { outcome: 'done', output: '+ shop@1.2.0' }, answer: call },
  listConversations: { answer: page(conversation) },
  getConversation: { answer: { ...conversation, runs: [run] } },
  sendMessage: {
    body: { prompt: 'Now add a test for negative amounts.', whenBusy: 'queue' },
    answer: started,
  },
  listDeadLetters: {
    answer: page({ ...letter, resolution: null, resolvedAt: null, resolvedBy: null }),
  },
  retryDeadLetter: { body: {}, answer: letter },
  dropDeadLetter: { body: {}, answer: { ...letter, resolution: 'dropped' } },
  listModels: {
    answer: {
      items: [
        {
          provider: 'scripted',
          configured: true,
          missing: null,
          scripted: true,
          models: ['scripted/demo'],
          default: 'scripted/demo',
        },
      ],
      default: 'scripted/demo',
    },
  },
  listAllowances: { answer: page(allowance) },
  changeAllowance: {
    body: {
      name: 'tenant',
      model: '',
      limits: { dayCostMicros: 50_000_000 },
      version: 1,
      reason: 'A busy week.',
    },
    answer: { ...allowance, version: 2, limits: { ...allowance.limits, dayCostMicros: 50_000_000 } },
  },
  listLedger: {
    answer: page({
      id: 1042,
      kind: 'settle',
      at,
      day: '2026-01-05',
      runId,
      step: 2,
      attempt: 1,
      model: 'openai/gpt-5',
      pools: ['tenant'],
      tokens: 5310,
      costMicros: 9200,
      estimated: false,
      change: null,
      by: 'allowances',
      reason: 'What the call used.',
    }),
  },
  getUsage: {
    answer: {
      by: 'model',
      items: [
        {
          key: 'openai/gpt-5',
          calls: 31,
          inputTokens: 152_000,
          cachedInputTokens: 98_000,
          outputTokens: 12_400,
          costMicros: 410_000,
          estimatedCostMicros: 0,
          refundedTokens: 0,
        },
      ],
    },
  },
  getHealth: { answer: { status: 'ok', version: '0.1.0' } },
  getReadiness: { answer: { status: 'ready', postgres: up, temporal: up, workers: up } },
  listProcesses: {
    answer: {
      embedded: true,
      items: [{ name: 'worker', pid: 4711, address: null, health: 'up', restarts: 0 }],
      temporalUi: 'http://127.0.0.1:7702',
    },
  },
  killProcess: { body: {} },
  startDemo: { body: {}, answer: { runId, conversationId, project: '/home/me/.perdure/demo' } },
};

export function addExamples(document: Document): Document {
  const { paths = {} } = document as unknown as { paths?: Record<string, Record<string, Operation>> };
  for (const operation of Object.values(paths).flatMap((item) => Object.values(item))) {
    const example = examples[operation.operationId ?? ''];
    if (!example) continue;
    put(operation.requestBody, example.body);
    put(operation.responses?.['200'], example.answer);
    put(operation.responses?.['202'], example.answer);
  }
  return document;
}

interface Operation {
  operationId?: string;
  requestBody?: Holder;
  responses?: Record<string, Holder>;
}

interface Holder {
  content?: Record<string, { example?: unknown }>;
}

function put(holder: Holder | undefined, example: unknown): void {
  const json = holder?.content?.['application/json'];
  if (json && example !== undefined) json.example = example;
}
