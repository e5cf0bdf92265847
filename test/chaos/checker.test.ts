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

const program: Program = {
  project: true,
  id: 7,
  messages: [
    {
      marker: '7/0',
      when: 'first',
      doubled: false,
      acts: [],
      steps: [
        {
          words: ['one ', 'two '],
          wordMs: 0,
          firstTokenMs: 0,
          calls: [{ kind: 'effect', key: 'k', beforeMs: 0, afterMs: 0, mood: 'answers' }],
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

interface Scene {
  events: Event[];
  /** What the one reader received, by number. */
  received: number[];
  call: { call_id: string; status: string; output: string; ended_at: Date };
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
  const runs = scene.runIds.map((id): [string, RunState] => [
    id,
    {
      run: { id, status: scene.status, steps: 1, project_path: folder, message_id: 'm', reason_text: '' },
      events: scene.events,
      calls: [call],
      inputs: [],
      messages,
      attempts: [],
      approvals: [],
    } as unknown as RunState,
  ]);
  return {
    played: [
      {
        program,
        folder,
        messages: [{ marker: '7/0', runId, conversationId: 'c', acknowledged, acts: [] }],
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
  };
}

function right(): Scene {
  return {
    events: events(),
    received: events().map(({ seq }) => seq),
    call: { call_id: '1.0', status: 'succeeded', output: '', ended_at: endedAt },
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
    (scene) => void scene.events.push({ ...(scene.events[10] as Event), seq: 12, conversationSeq: 12 }),
  ],
  [
    'something after the terminal event',
    'I2',
    (scene) => void scene.events.push({ ...(scene.events[1] as Event), seq: 12, conversationSeq: 12 }),
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
