import { existsSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rewindProject } from '../../../activities/git/rewind.ts';
import { ownChanges } from '../../../activities/git/own-changes.ts';
import { recordTree } from '../../../activities/git/tree.ts';
import { withFaults } from '../../support/with-faults.ts';
import { openBench } from './project-bench.ts';
import { beginHistory, contentsOf, type Edit, gitStateOf } from './rewinding.ts';

const also: string[] = [];

async function rewind(
  bench: ReturnType<typeof openBench>,
  to: string,
  since: string,
  spans: Parameters<typeof rewindProject>[0]['spans'],
) {
  const { project, gitFolder } = bench;
  const was = await recordTree({ project, gitFolder, since });
  return rewindProject({ project, gitFolder, was, to, spans, since, also });
}

const names = ['a', 'b', 'd/a', 'd/b', 'd/e/c', 'ä', 'e'];
const name = fc.constantFrom(...names);
const anEdit: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      name,
      text: fc.constantFrom('1', '2', '3\n'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      name: fc.constantFrom(...names, 'd', 'd/e'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('mode' as const), name, isExecutable: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('link' as const),
      name,
      target: fc.constantFrom('a', 'd', '/etc'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('folder' as const),
      name: fc.constantFrom('d', 'f/g', 'a', 'e'),
    }),
  },
);
const turn = fc.record({
  by: fc.constantFrom('run', 'person'),
  edits: fc.array(anEdit, { minLength: 1, maxLength: 3 }),
});

test('alone in its project, a run is taken back to any point exactly, and the tree says so', async () => {
  const bench = openBench();
  const { project, gitFolder } = bench;
  bench.shell(
    'git init -q; echo tracked > a; git add a; git commit -qm one; echo stashed > a; git stash -q; echo staged > b; git add b',
  );
  bench.put('.git/hooks/post-checkout', '#!/bin/sh\ntouch ran\n');
  bench.shell('chmod +x .git/hooks/post-checkout');
  const theirs = gitStateOf(project);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(anEdit, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      async (calls, pick) => {
        const history = await beginHistory(project, gitFolder);
        const seen = [contentsOf(project)];
        for (const edits of calls) {
          await history.run(...edits);
          seen.push(contentsOf(project));
        }
        const at = pick % calls.length;
        const to = history.spans[at]?.before ?? '';
        const done = await rewind(bench, to, history.start, history.spans.slice(at));
        expect(done.kept).toEqual([]);
        expect(done.tree).toBe(to);
        expect(contentsOf(project)).toEqual(seen[at]);
      },
    ),
    { numRuns: withFaults ? 40 : 5 },
  );
  expect(gitStateOf(project)).toEqual(theirs);
  expect(existsSync(path.join(project, 'ran'))).toBe(false);
});

test('what a person changed beside a run stays as it is and is named; all else comes back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 6 }), async (turns) => {
      const bench = openBench();
      const { project, gitFolder } = bench;
      bench.shell('mkdir d; echo 0 > a; echo 0 > d/a');
      const history = await beginHistory(project, gitFolder);
      const before = contentsOf(project);
      const touched = new Set<string>();
      // Only the run's calls are recorded: what a person changed and changed back between two of them is not seen.
      let then = before;
      for (const [index, { by, edits }] of turns.entries()) {
        if (by === 'run') {
          await history.run(...edits);
          then = contentsOf(project);
          continue;
        }
        history.person(...edits);
        if (turns[index + 1]?.by === 'person') continue;
        const now = contentsOf(project);
        for (const one of new Set([...then.keys(), ...now.keys()]))
          if (then.get(one) !== now.get(one)) touched.add(one);
      }
      const now = contentsOf(project);
      const done = await rewind(bench, history.start, history.start, history.spans);
      const after = contentsOf(project);
      const kept = new Set(done.kept.map(({ path: one }) => one));
      for (const one of new Set([...before.keys(), ...now.keys(), ...after.keys()])) {
        const isTheirs = touched.has(one);
        // A folder that a file of the person's keeps is not empty any more.
        if (isTheirs) expect([one, after.get(one)]).toEqual([one, now.get(one)]);
        else if (!kept.has(one) && before.get(one) !== 'empty folder' && now.get(one) !== 'empty folder')
          expect([one, after.get(one)]).toEqual([one, before.get(one)]);
        if (isTheirs && now.get(one) !== before.get(one)) expect([...kept]).toContain(one);
      }
    }),
    {
      numRuns: withFaults ? 40 : 6,
      examples: [
        [
          [
            { by: 'run', edits: [{ kind: 'write', name: 'd/b', text: '2' }] },
            { by: 'person', edits: [{ kind: 'link', name: 'd/b', target: 'a' }] },
            { by: 'person', edits: [{ kind: 'write', name: 'd/b', text: '2' }] },
          ],
        ],
      ],
    },
  );
});

test('a file too large to be recorded is named where it cannot be brought back, and goes where it was new', async () => {
  const bench = openBench();
  const { project, gitFolder } = bench;
  const large = path.join(project, 'large');
  const grow = (file: string, bytes: number): void => {
    bench.put(path.basename(file), '');
    truncateSync(file, bytes);
  };
  grow(large, 51 * 1024 * 1024);
  const history = await beginHistory(project, gitFolder);
  const before = await recordTree({ project, gitFolder, since: history.start });
  grow(large, 52 * 1024 * 1024);
  grow(path.join(project, 'new'), 51 * 1024 * 1024);
  const after = await recordTree({ project, gitFolder, since: history.start });
  const done = await rewind(bench, history.start, history.start, [
    { before, after, firstSeen: [], goesOn: false },
  ]);
  expect([done.restored, done.kept]).toEqual([1, [{ path: 'large', why: 'too-large' }]]);
  expect([statSync(large).size, existsSync(path.join(project, 'new'))]).toEqual([52 * 1024 * 1024, false]);
});

test('nothing is written behind a link or over what is not recorded', async () => {
  const bench = openBench();
  const { project, gitFolder, folder } = bench;
  bench.shell(
    "mkdir d; echo old > d/a; echo old > file; echo '*.log' > .gitignore; mkdir ../outside; echo theirs > ../outside/a",
  );
  const history = await beginHistory(project, gitFolder);
  await history.run({ kind: 'write', name: 'd/a', text: 'new' }, { kind: 'remove', name: 'file' });
  // Behind the last look, and so by another.
  bench.shell('rm -r d; ln -s ../outside d; mkdir file; echo x > file/ignored.log');
  const done = await rewind(bench, history.start, history.start, history.spans);
  expect(done.kept.map(({ path: one, why }) => [one, why])).toEqual([
    ['d', 'changed'],
    ['d/a', 'changed'],
    ['file', 'in-the-way'],
  ]);
  expect(contentsOf(path.join(folder, 'outside'))).toEqual(new Map([['a', 'theirs\n']]));
  expect(existsSync(path.join(project, 'file/ignored.log'))).toBe(true);
});

test('the diff of a run has what it changed, and names apart what others changed', async () => {
  const bench = openBench();
  const { project, gitFolder } = bench;
  bench.shell('echo 1 > both; echo 1 > mine; echo 1 > its; echo 1 > back');
  const history = await beginHistory(project, gitFolder);
  const write = (file: string, text: string): Edit => ({ kind: 'write', name: file, text });
  await history.run(write('both', '1\n2\n'), write('its', '2\n'), write('back', '2\n'));
  history.person(write('both', 'person\n1\n2\n'), write('mine', 'person\n'));
  await history.run(write('both', 'person\n1\n2\n3\n'), write('back', '1\n'), write('new', 'x\n'));
  history.person({ kind: 'remove', name: 'mine' });
  const end = await recordTree({ project, gitFolder, since: history.start });
  const { start, spans } = history;
  const { diff, ...changes } = await ownChanges({ gitFolder, start, end, spans, maxBytes: 100_000 });
  expect(changes).toEqual({
    files: [
      { path: 'both', status: 'modified' },
      { path: 'its', status: 'modified' },
      { path: 'new', status: 'added' },
    ],
    others: [
      { path: 'both', status: 'modified' },
      { path: 'mine', status: 'deleted' },
    ],
    truncated: false,
  });
  const lines = diff.split('\n').filter((line) => /^[-+]/.test(line));
  expect(lines).toEqual([
    '--- a/both',
    '+++ b/both',
    '+2',
    '--- a/its',
    '+++ b/its',
    '-1',
    '+2',
    '--- /dev/null',
    '+++ b/new',
    '+x',
    '--- a/both',
    '+++ b/both',
    '+3',
  ]);
});
