// Holds patches against `git apply --recount`: hunks as diffs have them, and in any order, twice, moved, miscounted.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { structuredPatch } from 'diff';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyHunks } from '../../../activities/tools/patch/apply-hunks.ts';
import { readPatch } from '../../../activities/tools/patch/read-patch.ts';

interface Case {
  before: string;
  after: string;
  patch: string;
  /** It says what a diff says, in whatever order. */
  isHonest: boolean;
}

type Outcome = { content: string } | { problem: string };

/** As the tool does, without a disk. */
function ours({ before, patch }: Case): Outcome {
  const parsed = readPatch(patch);
  if ('problem' in parsed) return parsed;
  let content = before;
  for (const { hunks } of parsed.files) {
    const applied = applyHunks(content, hunks);
    if ('problem' in applied) return { problem: applied.problem };
    content = applied.content;
  }
  return { content };
}

/** One process for all of them; undefined where git refuses. */
function gits(cases: readonly Case[]): (string | undefined)[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'perdure-oracle-'));
  try {
    for (const [index, { before, patch }] of cases.entries()) {
      mkdirSync(path.join(folder, String(index)));
      writeFileSync(path.join(folder, `${index}/f`), before, 'latin1');
      writeFileSync(path.join(folder, `${index}/patch`), patch, 'latin1');
    }
    const script =
      'for d in */; do (cd "$d" && git apply --recount --whitespace=nowarn patch 2>/dev/null && touch ok); done';
    const env = {
      PATH: process.env['PATH'],
      GIT_CEILING_DIRECTORIES: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      HOME: folder,
    };
    spawnSync('sh', ['-c', script], { cwd: folder, env });
    return cases.map((_, index) => {
      const isApplied = existsSync(path.join(folder, `${index}/ok`));
      return isApplied ? readFileSync(path.join(folder, `${index}/f`), 'latin1') : undefined;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// Few different lines: the same passage is there many times, as in real files.
const line = fc.constantFrom('a', 'b', 'c', '', '}', '  x', '-- y', '++ z');
const end = fc.constantFrom('\n', '\n', '\n', '\r\n');
const lines = fc.array(fc.tuple(line, end), { maxLength: 14 }).map((all) => all.map((each) => each.join('')));
const content = fc.tuple(lines, fc.boolean(), fc.boolean()).map(([all, isMixed, isBare]) => {
  const text = (isMixed ? all : all.map((each) => each.replace('\r', ''))).join('');
  return isBare ? text.replace(/\r?\n$/, '') : text;
});

/** Two to make a diff of: the second is the first with a few lines taken out or put in. */
const pair = fc
  .tuple(content, fc.array(fc.tuple(fc.nat(14), fc.nat(2), line), { minLength: 1, maxLength: 3 }))
  .map(([before, edits]) => {
    const all = before.match(/[^\n]*\n|[^\n]+$/g) ?? [];
    for (const [at, count, text] of edits) all.splice(at, count, ...(text === '' ? [] : [`${text}\n`]));
    return [before, all.join('')] as const;
  })
  .filter(([before, after]) => before !== after);

const mutation = fc.constantFrom(
  'none',
  'none',
  'reversed',
  'twice',
  'moved',
  'miscounted',
  'bare blanks',
  'trimmed',
);

const cases = fc
  .tuple(pair, fc.integer({ min: 1, max: 3 }), mutation, fc.integer({ min: -6, max: 30 }))
  .map(([[before, after], context, how, by]): Case => {
    const { hunks } = structuredPatch('f', 'f', before, after, '', '', { context });
    const written = hunks.map((hunk) => {
      const moved = how === 'moved' ? by : 0;
      const oldStart = Math.max(0, hunk.oldStart - (hunk.oldLines === 0 ? 1 : 0) + moved);
      const newStart = Math.max(0, hunk.newStart - (hunk.newLines === 0 ? 1 : 0) + moved);
      const counted = how === 'miscounted' ? [Math.abs(by), 1] : [hunk.oldLines, hunk.newLines];
      const first = how === 'trimmed' && hunk.lines[0]?.startsWith(' ') ? 1 : 0;
      const body = hunk.lines
        .slice(first)
        .map((each) => (how === 'bare blanks' && each === ' ' ? '' : each))
        .join('\n');
      return `@@ -${oldStart},${counted[0]} +${newStart},${counted[1]} @@\n${body}\n`;
    });
    if (how === 'reversed') written.reverse();
    if (how === 'twice') written.push(written[0] as string);
    const patch = `diff --git a/f b/f\n--- a/f\n+++ b/f\n${written.join('')}`;
    // With wrong counts nothing tells a line that was taken out, `-- y`, from the header of another file.
    const isOpen = how === 'miscounted' && written.some((hunk) => /^--- .*\n\+\+\+ /m.test(hunk));
    return { before, after, patch, isHonest: !isOpen && !['twice', 'moved', 'trimmed'].includes(how) };
  });

// What is refused though git finds a place, each for its reason: git's place may be the wrong one.
const careful =
  /^(fits \d+ places|meets hunk|holds no line of the file|does not fit|The patch names .* for one file)/;

test('what git applies gets the same bytes or a reason, and what a diff says is always done', () => {
  let agreed = 0;
  let applied = 0;
  fc.assert(
    fc.property(fc.array(cases, { minLength: 30, maxLength: 30 }), (all) => {
      const theirs = gits(all);
      for (const [index, each] of all.entries()) {
        const [mine, git] = [ours(each), theirs[index]];
        if (git !== undefined) applied += 1;
        if (git !== undefined && 'content' in mine) {
          // Git may take a last line without its end for one in the middle, and joins it with the next.
          const isWhole = each.patch.includes('\n\\ No newline') && mine.content === each.after;
          if (!isWhole) expect({ ...each, content: mine.content }).toEqual({ ...each, content: git });
          agreed += 1;
        }
        if ('problem' in mine && git !== undefined) expect(mine.problem).toMatch(careful);
        if (each.isHonest && git === each.after && each.before !== '')
          expect({ ...each, ...mine }).toEqual({ ...each, content: each.after });
      }
    }),
    { numRuns: 10 },
  );
  // Else nothing was held against git.
  expect(agreed / applied).toBeGreaterThan(0.8);
});
