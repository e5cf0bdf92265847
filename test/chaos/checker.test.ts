// The checker is only worth something when it finds what is broken: a right record of one small run, and everything
// that could be wrong with it, one thing at a time.
import { expect, test } from 'vitest';
import type { Event } from '../../workflows/contracts/event.ts';
import { check } from './checker.ts';
import {
  anEffect,
  endedAt,
  type Entry,
  evidenceOf,
  program,
  right,
  runId,
  type Scene,
} from './small-record.ts';

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
