import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openBench } from './tool-bench.ts';

describe('read', () => {
  test('answers a file whole, or the lines asked for and how many are left', async () => {
    const { project, call } = await openBench();
    writeFileSync(path.join(project, 'f'), 'one\r\ntwo\nthree');
    const mixed = 'line ends are mixed, 1 CRLF and 1 LF: edit and patch keep each line’s own';
    const answers = [
      await call('read', { path: 'f' }),
      await call('read', { path: 'f', offset: 2, limit: 1 }),
      await call('read', { path: 'f', offset: 3 }),
      await call('read', { path: 'f', offset: 4 }),
    ];
    expect(answers).toEqual([
      { ok: true, output: `one\ntwo\nthree\n[${mixed}]` },
      { ok: true, output: `two\n[1 more lines; offset 3 goes on; ${mixed}]` },
      { ok: true, output: `three\n[${mixed}]` },
      { ok: false, output: '`f` has 3 lines; `offset` lies behind them.' },
    ]);
  });

  test('says what it cannot read in words a model can act on', async () => {
    const { project, call } = await openBench();
    writeFileSync(path.join(project, 'binary'), Buffer.from([1, 0, 2]));
    writeFileSync(path.join(project, 'large'), Buffer.alloc(8 * 1024 * 1024 + 1, 'x'));
    writeFileSync(path.join(project, 'latin'), Buffer.from([0x66, 0xfc, 0x0a]));
    symlinkSync('/etc/passwd', path.join(project, 'link'));
    const read = async (name: string) => Object.values(await call('read', { path: name }));
    expect([await read('none'), await read('binary'), await read('large'), await read('latin')]).toEqual([
      [false, 'There is no file `none`.'],
      [false, '`binary` is a binary file of 3 bytes.'],
      [false, '`large` is larger than 8,388,608 bytes.'],
      [true, 'f\ufffd\n[not all of it is UTF-8: \ufffd stands for other bytes]'],
    ]);
    expect([await read('link'), await read('.')]).toEqual([
      [false, '`link` leads outside the project directory; use a path inside it.'],
      [false, '`.` is a directory, not a file.'],
    ]);
  });
});

describe('write and edit', () => {
  test('write says whether the file is new, and the probe tells whether it happened', async () => {
    const { project, call, probes } = await openBench();
    expect([
      await call('write', { path: 'd/f', content: 'ä' }),
      await call('write', { path: 'd/f', content: '' }),
      await probes('write', { path: 'd/f', content: 'x' }),
    ]).toEqual([
      { ok: true, output: 'Wrote the new file `d/f` (2 bytes).' },
      { ok: true, output: 'Replaced `d/f` (0 bytes).' },
      ['not_done', 'done'],
    ]);
    expect(readFileSync(path.join(project, 'd/f'), 'utf8')).toBe('x');
  });

  test('edit replaces the one place and leaves every other byte alone, whatever the encoding', async () => {
    const { project, call, probes } = await openBench();
    const file = path.join(project, 'f');
    writeFileSync(file, Buffer.concat([Buffer.from([0xff, 0x00]), Buffer.from('one\ntwo $& $1\n')]));
    expect(await probes('edit', { path: 'f', old: 'two', new: '$& $$' })).toEqual(['not_done', 'done']);
    expect(readFileSync(file)).toEqual(
      Buffer.concat([Buffer.from([0xff, 0x00]), Buffer.from('one\n$& $$ $& $1\n')]),
    );
    expect(await call('edit', { path: 'f', old: 'one\n', new: '' })).toEqual({
      ok: true,
      output: 'Edited `f` at line 1.',
    });
  });

  test('edit says why it did nothing', async () => {
    const { project, call, probes } = await openBench();
    const content = 'aaa\n  indented\nx\r\ny\r\n';
    writeFileSync(path.join(project, 'f'), content);
    const edit = async (old: string, file = 'f') =>
      (await call('edit', { path: file, old, new: 'new' })).output;
    expect([
      await edit('aa'),
      await edit('aaa indented'),
      await edit('y\nx'),
      await edit('other'),
      await edit('x', 'none'),
      (await call('edit', { path: 'f', old: 'x', new: 'x' })).output,
    ]).toEqual([
      '`old` occurs 2 times in `f`; include more lines so that it occurs once.',
      '`old` does not occur in `f` with this white space. Read the file and copy the passage exactly.',
      '`old` does not occur in `f`. Read the file again: it may have changed.',
      '`old` does not occur in `f`. Read the file again: it may have changed.',
      'There is no file `none`; use write to make one.',
      '`old` and `new` are the same; nothing would change.',
    ]);
    expect(readFileSync(path.join(project, 'f'), 'utf8')).toBe(content);
    expect(await probes('edit', { path: 'f', old: 'other', new: 'x' })).toEqual(['not_done', 'not_done']);
  });

  test('the probe calls a file that somebody else changed unknown', async () => {
    const { project, tool, context, noted } = await openBench();
    const input = { path: 'f', content: 'mine' };
    const intent = await noted('write', input);
    writeFileSync(path.join(project, 'f'), 'theirs');
    expect([intent, await tool('write').probe!(input, intent, context())]).toEqual([
      { f: `absent ${createHash('sha256').update('mine').digest('hex').slice(0, 32)}` },
      'unknown',
    ]);
  });

  test('what a call notes knows of the calls of its step that had their turn before', async () => {
    const { project, tool, call, context } = await openBench();
    const edit = { path: 'f', old: 'list:', new: 'list:\n- item' };
    let noted: Record<string, string> | undefined;
    const noteIntent = async (intent: Record<string, string>) => {
      noted = intent;
    };
    await Promise.all([
      call('write', { path: 'f', content: 'list:\n' }),
      call('edit', edit, { ...context(), noteIntent }),
    ]);
    expect(readFileSync(path.join(project, 'f'), 'utf8')).toBe('list:\n- item\n');
    expect(await tool('edit').probe!(edit, noted ?? {}, context()), 'else it is made twice').toBe('done');
  });

  test('a call that may note nothing any more changes nothing', async () => {
    const { project, call, context } = await openBench();
    const noteIntent = () => Promise.reject(new Error('somebody else has taken over'));
    await expect(call('write', { path: 'f', content: 'late' }, { ...context(), noteIntent })).rejects.toThrow(
      'somebody else has taken over',
    );
    expect(readdirSync(project)).toEqual([]);
  });

  test('a hundred edits of one file at once all take effect', async () => {
    const { project, call } = await openBench();
    const names = Array.from({ length: 100 }, (_, index) => `<${index}>`);
    writeFileSync(path.join(project, 'f'), names.join('\n'));
    await Promise.all(names.map((name) => call('edit', { path: 'f', old: name, new: `done ${name}` })));
    expect(readFileSync(path.join(project, 'f'), 'utf8')).toBe(
      names.map((name) => `done ${name}`).join('\n'),
    );
  });
});

describe('patch', () => {
  const change = (name: string, from: string, to: string) =>
    `--- a/${name}\n+++ b/${name}\n@@ -1 +1 @@\n-${from}\n+${to}\n`;

  test('changes, makes, removes and renames files in one go', async () => {
    const { project, call, probes } = await openBench();
    for (const name of ['changed', 'removed', 'moved']) writeFileSync(path.join(project, name), `${name}\n`);
    const text =
      `${change('changed', 'changed', 'new')}--- /dev/null\n+++ b/made/file\n@@ -0,0 +1 @@\n+made\n` +
      '--- a/removed\n+++ /dev/null\n@@ -1 +0,0 @@\n-removed\n' +
      'diff --git a/moved b/to\nsimilarity index 100%\nrename from moved\nrename to to\n';
    expect(await probes('patch', { patch: text })).toEqual(['not_done', 'done']);
    const files = readdirSync(project, { recursive: true, encoding: 'utf8' }).sort();
    expect([
      files,
      readFileSync(path.join(project, 'changed'), 'utf8'),
      readFileSync(path.join(project, 'to'), 'utf8'),
    ]).toEqual([['changed', 'made', 'made/file', 'to'], 'new\n', 'moved\n']);
    expect(await call('patch', { patch: change('changed', 'new', 'newer') })).toEqual({
      ok: true,
      output: 'Patched `changed`.',
    });
  });

  test('changes nothing when any part does not fit, and says which', async () => {
    const { project, call } = await openBench();
    writeFileSync(path.join(project, 'a'), 'a\n');
    writeFileSync(path.join(project, 'b'), 'b\n');
    const good = change('a', 'a', 'x');
    const patch = async (text: string) => (await call('patch', { patch: text })).output;
    expect([
      await patch(good + change('b', 'other', 'x')),
      await patch(good + change('none', 'b', 'x')),
      await patch(`${good}--- /dev/null\n+++ b/b\n@@ -0,0 +1 @@\n+made\n`),
      await patch(good + change('../out', 'b', 'x')),
      await patch('no patch at all'),
      await patch('--- a/a\n+++ b/a\n@@ -1 +1 @@\nnonsense\n'),
    ]).toEqual([
      'The patch for `b` (line 8 of it) does not fit: its context differs. Read the file again. Nothing was changed.',
      'There is no file `none`. Nothing was changed.',
      '`b` exists already, the patch would make it anew. Nothing was changed.',
      '`../out` leads outside the project directory; use a path inside it.',
      'The patch names no file; it needs `--- a/file` and `+++ b/file` before `@@`.',
      expect.stringMatching(/^The patch cannot be read: line 4, "nonsense", is neither/),
    ]);
    expect([readFileSync(path.join(project, 'a'), 'utf8'), readdirSync(project)]).toEqual([
      'a\n',
      ['a', 'b'],
    ]);
  });

  test('puts back what it wrote when a later file cannot be written', async () => {
    const { project, call, context } = await openBench();
    writeFileSync(path.join(project, 'a'), 'a\n');
    writeFileSync(path.join(project, 'b'), 'b\n');
    const given = context();
    const full = { ...given.sandbox };
    full.write = async (name, bytes) => {
      if (name === 'b' && bytes.toString() === 'y\n') throw new Error('no space');
      await given.sandbox.write(name, bytes);
    };
    const text = change('a', 'a', 'x') + change('b', 'b', 'y');
    await expect(call('patch', { patch: text }, { ...given, sandbox: full })).rejects.toThrow('no space');
    expect(['a', 'b'].map((name) => readFileSync(path.join(project, name), 'utf8'))).toEqual(['a\n', 'b\n']);
  });

  test('a patch that was cut off by a crash half way is called unknown', async () => {
    const { project, tool, context, noted } = await openBench();
    writeFileSync(path.join(project, 'a'), 'a\n');
    writeFileSync(path.join(project, 'b'), 'b\n');
    const input = { patch: change('a', 'a', 'x') + change('b', 'b', 'y') };
    const intent = await noted('patch', input);
    writeFileSync(path.join(project, 'a'), 'x\n');
    expect(await tool('patch').probe!(input, intent, context())).toBe('unknown');
  });
});
