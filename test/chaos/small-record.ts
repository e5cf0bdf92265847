// The record of one small run in which nothing is wrong, in pieces that a test can spoil.
import type { Event, NewEvent } from '../../workflows/contracts/event.ts';
import { digestOf } from './digest.ts';
import type { Evidence, RunState } from './evidence.ts';
import type { Program } from './program.ts';

export const runId = '01900000-0000-7000-8000-000000000001';
const folder = '/projects/program-7';
export const endedAt = new Date('2026-01-01T00:00:05Z');

export const anEffect = { kind: 'effect', key: 'k', beforeMs: 0, afterMs: 0, mood: 'answers' } as const;

export const program: Program = {
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

export interface Entry {
  kind: 'reserve' | 'settle';
  tokens: number;
  cost_micros: number;
  possible_cost_micros?: number;
  closes: boolean;
}

export interface Scene {
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

/** What the one user did and received. */
function playedOf(scene: Scene, log: Event[]): Evidence['played'] {
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
  return [
    {
      program,
      folder,
      home: folder,
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
  ];
}

export function evidenceOf(scene: Scene, log = events()): Evidence {
  const { call } = scene;
  const messages = Array.from({ length: scene.toolMessages }, () => ({ call_id: call.call_id, text: '' }));
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
    played: playedOf(scene, log),
    runs: new Map(runs),
    hits: scene.hits,
    faults: [],
    model: { asks: [], answered: new Map() },
    files: new Map(),
    atHome: new Map(),
    homecomings: [],
    money,
  };
}

export function right(): Scene {
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
