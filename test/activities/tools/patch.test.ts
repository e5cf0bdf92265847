// Patches as models write them: each is understood or refused with what is wrong with it, and none damages a file.
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openBench } from './tool-bench.ts';

const ten = Array.from({ length: 10 }, (_, index) => `line ${index + 1}\n`).join('');
const named = (body: string, name = 'f'): string => `--- a/${name}\n+++ b/${name}\n${body}`;
const begin = (body: string): string => `*** Begin Patch\n${body}*** End Patch\n`;

/** What becomes of a file, and what the tool says when it changes nothing. */
async function patched(content: string, patch: string): Promise<string> {
  const { project, call } = await openBench();
  const file = path.join(project, 'f');
  writeFileSync(file, content, 'latin1');
  const { ok, output } = await call('patch', { patch });
  const now = readFileSync(file, 'latin1');
  if (!ok) expect(now, 'what is refused changes nothing').toBe(content);
  return ok ? now : output;
}

const fifth = ten.replace('line 5\n', 'five\n');
const both = fifth.replace('line 9\n', 'nine\n');
const atFive = ' line 4\n-line 5\n+five\n line 6\n';
const atNine = ' line 8\n-line 9\n+nine\n line 10\n';

describe('is understood', () => {
  test.each([
    ['counts that are wrong', named(`@@ -4,9 +4,1 @@\n${atFive}`), fifth],
    ['a bare @@', named(`@@\n${atFive}`), fifth],
    ['a bare @@ with the line it comes after', named(`@@ line 3 @@\n${atFive}`), fifth],
    ['line numbers that are off', named(`@@ -40,3 +40,3 @@\n${atFive}`), fifth],
    ['hunks out of order', named(`@@ -8,3 +8,3 @@\n${atNine}@@ -4,3 +4,3 @@\n${atFive}`), both],
    [
      'hunks that share context',
      named(`@@ -4,3 +4,3 @@\n${atFive} line 7\n line 8\n@@ -7,4 +7,4 @@\n line 7\n${atNine}`),
      both,
    ],
    ['blank lines at its end', named(`@@ -4,2 +4,2 @@\n${atFive}\n\n`), fifth],
    ['a fence around it', `\`\`\`diff\n${named(`@@ -4,3 +4,3 @@\n${atFive}`)}\`\`\`\n`, fifth],
    ['no marker before one of two names', `--- a/f\n+++ f\n@@ -4,3 +4,3 @@\n${atFive}`, fifth],
    ['no marker at all', `--- f\n+++ f\n@@ -4,3 +4,3 @@\n${atFive}`, fifth],
    [
      'other markers of git',
      `diff --git i/f w/f\nindex 1..2 100644\n--- i/f\n+++ w/f\n@@ -4,3 +4,3 @@\n${atFive}`,
      fifth,
    ],
    ['CRLF in all of it', named(`@@ -4,3 +4,3 @@\n${atFive}`).replaceAll('\n', '\r\n'), fifth],
    ['the end of a mail', named(`@@ -4,3 +4,3 @@\n${atFive}-- \n2.39.5\n\n`), fifth],
    ['Begin Patch', begin(`*** Update File: f\n@@ line 3\n${atFive}@@\n${atNine}`), both],
    [
      'Begin Patch, appending',
      begin('*** Update File: f\n@@\n+line 11\n*** End of File\n'),
      `${ten}line 11\n`,
    ],
    [
      'new lines alone, after the line that its numbers agree on',
      named('@@ -2,0 +3,2 @@\n+new\n+er\n@@ -10,0 +13 @@\n+last\n'),
      `${ten.replace('line 2\n', 'line 2\nnew\ner\n')}last\n`,
    ],
    ['a hunk without context behind it', named('@@ -4,2 +4,2 @@\n line 4\n-line 5\n+five\n'), fifth],
  ])('%s', async (_, patch, after) => {
    expect(await patched(ten, patch)).toBe(after);
  });

  test.each([
    [
      'trailing white space that differs',
      'a  \nb\nc\t\n',
      named('@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n'),
      'a  \nB\nc\t\n',
    ],
    ['a context line that lost its space', 'a\n\nb\n', named('@@ -1,3 +1,3 @@\n a\n\n-b\n+B\n'), 'a\n\nB\n'],
    ['a last line without an end', 'a\nb', named('@@ -1,2 +1,2 @@\n a\n-b\n+B\n'), 'a\nB'],
    [
      'a last line that gets an end',
      'a\nb',
      named('@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+B\n'),
      'a\nB\n',
    ],
    [
      'a last line that loses its end',
      'a\nb\n',
      named('@@ -1,2 +1,2 @@\n a\n-b\n+B\n\\ No newline at end of file\n'),
      'a\nB',
    ],
    ['lines behind a last line without an end', 'a', named('@@ -1 +1,2 @@\n a\n+b\n'), 'a\nb'],
    [
      'a removal that looks like a header',
      '-- x\ny\n',
      named('@@ -1,2 +1,2 @@\n--- x\n+++ z\n y\n'),
      '++ z\ny\n',
    ],
    ['bytes that are no UTF-8', 'x\xff\na\n', named('@@ -2 +2 @@\n-a\n+\u00e9\n'), 'x\xff\n\xc3\xa9\n'],
  ])('%s', async (_, before, patch, after) => {
    expect(await patched(before, patch)).toBe(after);
  });

  test('files that are made, removed and moved, in either format', async () => {
    const { project, call } = await openBench();
    for (const name of ['gone', 'old']) writeFileSync(path.join(project, name), `${name}\n`);
    const text = begin(
      '*** Add File: d/new\n+one\n+two\n*** Delete File: gone\n*** Update File: old\n*** Move to: moved\n@@\n-old\n+young\n',
    );
    expect(await call('patch', { patch: text })).toEqual({
      ok: true,
      output: 'Patched `d/new`, `gone`, `old`, `moved`.',
    });
    const read = (name: string): string => readFileSync(path.join(project, name), 'utf8');
    expect([readdirSync(project).sort(), read('d/new'), read('moved')]).toEqual([
      ['d', 'moved'],
      'one\ntwo\n',
      'young\n',
    ]);
    writeFileSync(path.join(project, 'program'), 'run\n', { mode: 0o755 });
    const isProgram = (name: string): boolean => (statSync(path.join(project, name)).mode & 0o111) !== 0;
    const moves = [
      begin('*** Update File: program\n*** Move to: d/program\n@@\n-run\n+walk\n'),
      'diff --git a/d/program b/program2\nrename from d/program\nrename to program2\n',
      'diff --git a/program2 b/plain\nold mode 100755\nnew mode 100644\ncopy from program2\ncopy to plain\n',
      `diff --git a/made b/made\nnew file mode 100755\n--- /dev/null\n+++ b/made\n@@ -0,0 +1 @@\n+x\n`,
      // A folder comes where a file was.
      'diff --git a/moved b/moved/in\nrename from moved\nrename to moved/in\n',
    ];
    for (const patch of moves) expect(await call('patch', { patch })).toMatchObject({ ok: true });
    expect(['program2', 'plain', 'made', 'moved/in'].map(isProgram)).toEqual([true, false, true, false]);
    expect([read('program2'), read('plain'), read('moved/in')]).toEqual(['walk\n', 'walk\n', 'young\n']);
    const empty = 'diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n';
    await call('patch', { patch: `${empty}${named('@@ -0,0 +1 @@\n+x\n', 'unsaid')}` });
    expect([read('empty'), read('unsaid')]).toEqual(['', 'x\n']);
  });
});

describe('is refused', () => {
  const twice = `${ten}${ten}`;
  test.each([
    [
      'a hunk that is there twice',
      ten,
      named(`@@ -4,3 +4,3 @@\n${atFive}@@ -4,3 +4,3 @@\n${atFive}`),
      /^Hunk 2 .* meets hunk 1/,
    ],
    [
      'a repeated hunk that would fit elsewhere',
      twice,
      named(`@@ -4,3 +4,3 @@\n${atFive}@@ -4,3 +4,3 @@\n${atFive}`),
      /^Hunk 2 .* meets hunk 1/,
    ],
    [
      'hunks that overlap',
      ten,
      named(`@@ -4,3 +4,3 @@\n${atFive}@@ -5,2 +5,2 @@\n line 5\n-line 6\n+six\n`),
      /^Hunk 2 .* meets hunk 1/,
    ],
    [
      'what fits in two places',
      twice,
      named(`@@ -9,3 +9,3 @@\n${atFive}`),
      /fits 2 places \(lines 4, 14\); give it more/,
    ],
    ['a bare @@ that fits in two places', twice, named(`@@\n${atFive}`), /fits 2 places/],
    [
      'a hunk behind the end',
      ten,
      named('@@ -90,2 +90,2 @@\n line 90\n-line 91\n+x\n'),
      /does not fit: its context differs/,
    ],
    ...[
      ['new lines alone behind the end', '@@ -90,0 +91 @@'],
      ['new lines alone, before or after the line', '@@ -5,0 +5 @@'],
      ['new lines alone that are not as many as said', '@@ -5,0 +6,2 @@'],
      ['new lines alone of a file that is taken for a new one', '@@ -0,0 +1 @@'],
      ['new lines alone without numbers', '@@'],
    ].map(([what = '', header]): [string, string, string, RegExp] => [
      what,
      ten,
      named(`${header}\n+x\n`),
      /holds no line of the file, so its place is not certain. Give it the line before/,
    ]),
    [
      'a line that belongs nowhere',
      ten,
      named(`@@ -4,3 +4,3 @@\n${atFive}line 7\n+lost\n`),
      /line 8, "line 7", is neither/,
    ],
    [
      'two names for one file',
      ten,
      `--- a/f\n+++ b/g\n@@ -4,3 +4,3 @@\n${atFive}`,
      /names `f` and `g` for one file/,
    ],
    [
      'a change of the mode alone',
      ten,
      'diff --git a/f b/f\nold mode 100644\nnew mode 100755\n',
      /only the mode of `f`/,
    ],
    [
      'a link',
      ten,
      'diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+f\n',
      /a link or a submodule/,
    ],
    [
      'Begin Patch that was cut off',
      ten,
      `*** Begin Patch\n*** Update File: f\n@@\n${atFive}`,
      /ends without `\*\*\* End Patch`/,
    ],
    [
      'a line to come after that is not there',
      ten,
      begin(`*** Update File: f\n@@ class X\n${atFive}`),
      /comes after `class X`, which is no line/,
    ],
    [
      'a removal that leaves lines',
      ten,
      '--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 1\n',
      /removes `f` but leaves lines/,
    ],
    ['UTF-16', '\xff\xfea\0\n\0', named('@@ -1 +1 @@\n-a\n+b\n'), /`f` is UTF-16LE/],
  ])('%s', async (_, before, patch, reason) => {
    expect(await patched(before, patch)).toMatch(reason);
  });

  test('two names that lead to one file', async () => {
    const { project, call } = await openBench();
    writeFileSync(path.join(project, 'f'), ten);
    symlinkSync('f', path.join(project, 'link'));
    const text = named(`@@ -4,3 +4,3 @@\n${atFive}`) + named(`@@ -8,3 +8,3 @@\n${atNine}`, 'link');
    expect(await call('patch', { patch: text })).toEqual({
      ok: false,
      output: '`f` and `link` are one file; use one name. Nothing was changed.',
    });
    expect([readFileSync(path.join(project, 'f'), 'utf8'), existsSync(path.join(project, 'link'))]).toEqual([
      ten,
      true,
    ]);
  });
});
