import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Candidate, route, type Wanting } from '../../../workflows/tasks/route.ts';

function candidate(id: string, load: number, places: number, more: Partial<Candidate> = {}): Candidate {
  return { id, name: id, capabilities: [], load, places, state: load > 0 ? 'busy' : 'available', ...more };
}

const normal: Wanting = { priority: 'normal', labels: [] };

test.each<[name: string, task: Wanting, executors: Candidate[], chosen: string]>([
  ['one that is there', normal, [candidate('a', 0, 1)], 'a'],
  ['the least loaded in proportion', normal, [candidate('a', 1, 2), candidate('b', 3, 10)], 'b'],
  [
    'the fewest at work when critical',
    { priority: 'critical', labels: [] },
    [candidate('a', 1, 2), candidate('b', 3, 10)],
    'a',
  ],
  ['the smaller id among equals', normal, [candidate('b', 1, 4), candidate('a', 2, 8)], 'a'],
  [
    'one with all labels',
    { priority: 'normal', labels: ['gpu', 'linux'] },
    [
      candidate('a', 0, 1, { capabilities: ['linux'] }),
      candidate('b', 3, 4, { capabilities: ['linux', 'gpu', 'x'] }),
    ],
    'b',
  ],
  [
    'never a full one',
    { priority: 'critical', labels: [] },
    [candidate('a', 1, 1), candidate('b', 7, 8)],
    'b',
  ],
  [
    'never one that is draining or offline',
    { priority: 'critical', labels: [] },
    [
      candidate('a', 0, 9, { state: 'offline' }),
      candidate('b', 0, 9, { state: 'draining' }),
      candidate('c', 8, 9),
    ],
    'c',
  ],
  [
    'one with a machine of its own by its name',
    { ...normal, executor: 'b' },
    [candidate('a', 0, 1), candidate('b', 0, 1, { apart: true })],
    'b',
  ],
  [
    'one with a machine of its own by a label',
    { ...normal, labels: ['gpu'] },
    [candidate('a', 0, 1), candidate('b', 0, 1, { apart: true, capabilities: ['gpu'] })],
    'b',
  ],
  [
    'a machine of its own only for what asks for it',
    normal,
    [candidate('a', 0, 9, { apart: true }), candidate('b', 8, 9)],
    'b',
  ],
  [
    'the one that it needs, by name',
    { ...normal, executor: 'a' },
    [candidate('a', 8, 9, { apart: true }), candidate('b', 0, 9)],
    'a',
  ],
  [
    'the machine of the server for what is there, whatever the labels',
    { priority: 'normal', labels: ['gpu'], atHome: true },
    [
      candidate('a', 0, 9, { apart: true, capabilities: ['gpu'] }),
      candidate('b', 8, 9, { capabilities: ['gpu'] }),
    ],
    'b',
  ],
])('chosen: %s', (_, task, executors, chosen) => {
  expect(route(task, executors)).toEqual({ executor: executors.find(({ id }) => id === chosen) });
});

test.each<[words: string, labels: string[], executors: Candidate[]]>([
  ['No executor is registered.', [], []],
  ['No executor fits: a, which could take it, is full with 2 of 2.', [], [candidate('a', 2, 2)]],
  [
    'No executor fits: b, which could take it, takes no more.',
    [],
    [candidate('a', 0, 1, { state: 'offline' }), candidate('b', 0, 1, { state: 'draining' })],
  ],
  ['No executor fits: a, which could take it, is offline.', [], [candidate('a', 0, 1, { state: 'offline' })]],
  [
    'No executor fits: a has a machine of its own, and takes only what asks for it.',
    [],
    [candidate('a', 0, 1, { apart: true })],
  ],
  [
    'No executor fits: the nearest, b, lacks gpu.',
    ['gpu', 'linux'],
    [candidate('a', 0, 1), candidate('b', 0, 1, { capabilities: ['linux'] })],
  ],
])('nobody fits: %s', (words, wanted, executors) => {
  expect(route({ priority: 'normal', labels: wanted }, executors)).toEqual({
    executor: undefined,
    code: 'NoEligibleExecutor',
    words,
  });
});

test('whoever is chosen fits, whatever the order, and nobody is only where nobody fits', () => {
  const some = fc.subarray(['gpu', 'linux', 'arm']);
  const executor = fc.record({
    capabilities: some,
    load: fc.nat(3),
    places: fc.integer({ min: 1, max: 3 }),
    state: fc.constantFrom('available', 'busy', 'draining', 'offline'),
  });
  fc.assert(
    fc.property(
      fc.array(executor, { maxLength: 6 }),
      some,
      fc.constantFrom('critical', 'normal'),
      (drawn, labels, priority) => {
        const executors = drawn.map((each, index) => ({ ...each, id: `e${index}`, name: `e${index}` }));
        const fitting = executors.filter(
          ({ capabilities, load, places, state }) =>
            labels.every((label) => capabilities.includes(label)) &&
            load < places &&
            (state === 'available' || state === 'busy'),
        );
        const routed = route({ priority, labels }, executors);
        expect(routed).toEqual(route({ priority, labels }, executors.toReversed()));
        if (routed.executor) expect(fitting).toContainEqual(routed.executor);
        else expect(fitting).toEqual([]);
      },
    ),
  );
});
