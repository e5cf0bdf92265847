// The checker is only worth something when it finds what is broken: a right record of one small run, and everything
// that could be wrong with it, one thing at a time.
import { expect, test } from 'vitest';
import type { Event, NewEvent } from '../../workflows/contracts/event.ts';
import { check } from './checker.ts';
import { digestOf } from './digest.ts';
import type { Evidence, RunState } from './evidence.ts';
import type { Program } from './program.ts';

const runId = '01900000-0000-7000-8000-000000000001';
const folder = '/projects/program-7';
const endedAt = new Date('2026-01-01T00:00:05Z');

const anEffect = { kind: 'effect', key: 'k', beforeMs: 0, afterMs: 0, mood: 'answers' } as const;

const program: Program = {
  project: true,
  id: 7,
  messages: [
    {
      marker: '7/0',
      when: 'first',
      doubled: false,
      acts: [],
      asks: true,
      answers: { '1.0': { says: 'approve', afterMs: 0, contested: true } },
      steps: [
        {
          words: ['one ', 'two '],
          wordMs: 0,
          firstTokenMs: 0,
          calls: [anEffect],
          faults: [],
          usage: 'right',
          reusesIds: false,
        },
      ],
    },
  ],
};

function events(): Event[] {
  const plain: { type: NewEvent['type']; payload: object; attempt?: number }[] = [
    { type: 'run-queued', payload: {} },
    { type: 'run-start', payload: {} },
    { type: 'step-start', payload: { step: 1 }, attempt: 1 },
    { type: 'text-start', payload: { step: 1, block: 0 }, attempt: 1 },
    { type: 'text-delta', payload: { step: 1, block: 0, text: 'one ' }, attempt: 1 },
    { type: 'text-delta', payload: { step: 1, block: 0, text: 'two ' }, attempt: 1 },
    { type: 'text-end', payload: { step: 1, block: 0 } },
    { type: 'message-end', payload: { step: 1, text: 'one two ' } },
    { type: 'approval-request', payload: { approvalId: 'a', callId: '1.0' } },
    { type: 'approval-response', payload: { approvalId: 'a', callId: '1.0', outcome: 'approved' } },
    { type: 'call-start', payload: { callId: '1.0' }, attempt: 1 },
    { type: 'call-end', payload: { callId: '1.0' } },
    { type: 'run-end', payload: { status: 'succeeded' } },
  ];
  return plain.map(({ attempt = 0, ...event }, index) => ({
    ...event,
    stream: `run/${runId}`,
    seq: index + 1,
    conversationSeq: index + 1,
    at: new Date(Date.UTC(2026, 0, 1, 0, 0, index)).toISOString(),
    version: 1,
    attempt,
  })) as Event[];
}

interface Entry {
  kind: 'reserve' | 'settle';
  tokens: number;
  cost_micros: number;
  possible_cost_micros?: number;
  closes: boolean;
}

interface Scene {
  events: Event[];
  /** What the one reader received, by number. */
  received: number[];
  call: { call_id: string; status: string; output: string; ended_at: Date };
  approvals: { id: string; call_id: string; status: string; used_by_attempt: number | null }[];
  answers: { says: 'approve' | 'deny'; status: number }[];
  pool: { used_tokens: number; used_cost_micros: number; held_tokens: number; held_cost_micros: number };
  entries: Entry[];
  unclosed: string[];
  toolMessages: number;
  hits: { key: string; at: number }[];
  status: string;
  runIds: string[];
}

function evidenceOf(scene: Scene, log = events()): Evidence {
  const { call } = scene;
  const messages = Array.from({ length: scene.toolMessages }, () => ({ call_id: call.call_id, text: '' }));
  const acknowledged = {
    path: '/runs',
    key: 'x',
    body: {},
    status: 202,
    answer: { id: runId },
    sentAt: 0,
    at: 0,
    tries: 1,
    longestMs: 1,
    twins: [],
  };
  const answers = scene.answers.map(({ says, status }) => ({
    approvalId: 'a',
    says,
    acknowledged: { ...acknowledged, status },
  }));
  const key = {
    run_id: runId,
    step: 1,
    attempt: 1,
    allowances: ['pool'],
    estimated: false,
    possible_cost_micros: 0,
  };
  const money = {
    unclosed: scene.unclosed,
    pools: [{ id: 'pool', name: 'tenant', ...scene.pool }],
    entries: scene.entries.map((entry) => ({ ...key, ...entry })),
  } as unknown as NonNullable<Evidence['money']>;
  const runs = scene.runIds.map((id): [string, RunState] => [
    id,
    {
      run: { id, status: scene.status, steps: 1, project_path: folder, message_id: 'm', reason_text: '' },
      events: scene.events,
      calls: [call],
      inputs: [],
      messages,
      attempts: [],
      approvals: scene.approvals,
    } as unknown as RunState,
  ]);
  return {
    played: [
      {
        program,
        folder,
        messages: [{ marker: '7/0', runId, conversationId: 'c', acknowledged, acts: [], answers }],
        recordings: [
          {
            kind: 'run',
            of: runId,
            refusals: [],
            left: false,
            connections: [
              {
                after: 0,
                openedAt: 0,
                frames: scene.received.map((id) => ({
                  id,
                  type: '',
                  at: 0,
                  digest: digestOf(log[id - 1] as Event),
                })),
              },
            ],
          },
        ],
        acknowledged: [acknowledged],
        startedAt: 0,
        endedAt: 0,
        stuck: undefined,
      },
    ],
    runs: new Map(runs),
    hits: scene.hits,
    faults: [],
    model: { asks: [], answered: new Map() },
    files: new Map(),
    money,
  };
}

function right(): Scene {
  return {
    events: events(),
    received: events().map(({ seq }) => seq),
    call: { call_id: '1.0', status: 'succeeded', output: '', ended_at: endedAt },
    approvals: [{ id: 'a', call_id: '1.0', status: 'approved', used_by_attempt: 1 }],
    answers: [
      { says: 'approve', status: 200 },
      { says: 'deny', status: 409 },
    ],
    pool: { used_tokens: 7, used_cost_micros: 3, held_tokens: 0, held_cost_micros: 0 },
    entries: [
      { kind: 'reserve', tokens: 9, cost_micros: 9, closes: false },
      { kind: 'settle', tokens: 7, cost_micros: 3, closes: true },
    ],
    unclosed: [],
    toolMessages: 1,
    hits: [{ key: 'k', at: endedAt.getTime() - 1_000 }],
    status: 'succeeded',
    runIds: [runId],
  };
}

test('a right record has no violation', () => {
  expect(check(evidenceOf(right())).violations).toEqual([]);
});

/** Renumbers, so that only what is meant is wrong. */
function renumber(list: Event[]): Event[] {
  return list.map((event, index) => ({ ...event, seq: index + 1, conversationSeq: index + 1 }));
}

const wrongs: [string, string, (scene: Scene) => void][] = [
  ['an event a reader never received', 'I1', (scene) => scene.received.splice(4, 1)],
  ['an event a reader received twice', 'I1', (scene) => scene.received.splice(4, 0, 4)],
  ['events in another order', 'I1', (scene) => scene.received.splice(4, 2, 6, 5)],
  ['an event with another content', 'I1', (scene) => Object.assign(scene.events[4] ?? {}, { attempt: 9 })],
  ['a gap in the log', 'I2', (scene) => void scene.events.splice(8, 1)],
  [
    'two terminal events',
    'I2',
    (scene) => void scene.events.push({ ...(scene.events[12] as Event), seq: 14, conversationSeq: 14 }),
  ],
  [
    'something after the terminal event',
    'I2',
    (scene) => void scene.events.push({ ...(scene.events[1] as Event), seq: 14, conversationSeq: 14 }),
  ],
  [
    'a piece of text that is not in the whole',
    'I2',
    (scene) => {
      scene.events = renumber(scene.events.toSpliced(5, 0, scene.events[5] as Event));
    },
  ],
  ['a call without a tool message', 'I3', (scene) => Object.assign(scene, { toolMessages: 0 })],
  ['a call with two tool messages', 'I3', (scene) => Object.assign(scene, { toolMessages: 2 })],
  ['a call that was left running', 'I3', (scene) => Object.assign(scene.call, { status: 'running' })],
  [
    'an effect that took place twice',
    'I4',
    (scene) => void scene.hits.push({ key: 'k', at: endedAt.getTime() - 900 }),
  ],
  [
    'an effect after its call was closed',
    'I4',
    (scene) => Object.assign(scene, { hits: [{ key: 'k', at: endedAt.getTime() + 1 }] }),
  ],
  ['a success without its effect', 'I4', (scene) => Object.assign(scene, { hits: [] })],
  [
    'a reservation nobody settled',
    'I5',
    (scene) => {
      scene.entries.pop();
      Object.assign(scene.pool, { used_tokens: 0, used_cost_micros: 0 });
    },
  ],
  [
    'a reservation settled twice',
    'I5',
    (scene) => {
      scene.entries.push(scene.entries[1] as Entry);
      Object.assign(scene.pool, { used_tokens: 14, used_cost_micros: 6 });
    },
  ],
  [
    'a dead attempt that may have cost more than was reserved',
    'I5',
    (scene) => Object.assign(scene.entries[1] as Entry, { possible_cost_micros: 7 }),
  ],
  ['money that stays held', 'I5', (scene) => Object.assign(scene.pool, { held_cost_micros: 1 })],
  ['a pool that counts less than was used', 'I5', (scene) => Object.assign(scene.pool, { used_tokens: 6 })],
  ['an account left open', 'I5', (scene) => void scene.unclosed.push(runId)],
  [
    'an effect that was denied',
    'I11',
    (scene) => Object.assign(scene.approvals[0] ?? {}, { status: 'denied' }),
  ],
  ['an effect nobody was asked about', 'I11', (scene) => Object.assign(scene, { approvals: [] })],
  ['a call two people were asked about', 'I11', (scene) => void scene.approvals.push(...scene.approvals)],
  ['two answers that both decided', 'I11', (scene) => Object.assign(scene.answers[1] ?? {}, { status: 200 })],
  ['an answer that was lost', 'I11', (scene) => Object.assign(scene.approvals[0] ?? {}, { status: 'open' })],
  [
    'an approval that was never used up',
    'I11',
    (scene) => Object.assign(scene.approvals[0] ?? {}, { used_by_attempt: null }),
  ],
  [
    'an answer nobody was told of',
    'I11',
    (scene) => Object.assign(scene.events[9] ?? {}, { type: 'run-start' }),
  ],
  ['a run that never ended', 'I7', (scene) => Object.assign(scene, { status: 'running' })],
  ['an acknowledged run that is gone', 'I7', (scene) => Object.assign(scene, { runIds: [] })],
  ['a run nobody asked for', 'I8', (scene) => void scene.runIds.push('01900000-0000-7000-8000-000000000002')],
  [
    'a write of an attempt that had been replaced',
    'I12',
    (scene) => Object.assign(scene.events[4] ?? {}, { attempt: 2 }),
  ],
];

test.each(wrongs)('finds %s', (_what, invariant, spoil) => {
  const scene = right();
  spoil(scene);
  const found = check(evidenceOf(scene)).violations.map((violation) => violation.invariant);
  expect(found).toContain(invariant);
});

test('finds an effect that came before that of a call written before it', () => {
  const scene = right();
  scene.hits.push({ key: 'second', at: endedAt.getTime() - 1_001 });
  const evidence = evidenceOf(scene);
  const [message] = program.messages;
  const steps = (message?.steps ?? []).map((step) => ({
    ...step,
    calls: [...step.calls, { ...anEffect, key: 'second' }],
  }));
  const two = { ...program, messages: program.messages.map((each) => ({ ...each, steps })) };
  const played = evidence.played.map((each) => ({ ...each, program: two }));
  expect(check({ ...evidence, played }).violations.map(({ problem }) => problem)).toContainEqual(
    expect.stringContaining('it acted before a call that was written before it'),
  );
});
