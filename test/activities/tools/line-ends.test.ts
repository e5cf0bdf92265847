// A file's line ends and byte order mark are its own: what a model writes with LF fits them.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createTwoFilesPatch } from 'diff';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openBench } from './tool-bench.ts';

const bom = '\ufeff';

async function changed(before: string, name: string, input: object): Promise<[string, string]> {
  const { project, call } = await openBench();
  const file = path.join(project, 'f');
  writeFileSync(file, before);
  const { output } = await call(name, { path: 'f', ...input });
  return [readFileSync(file, 'utf8'), output];
}

describe('edit', () => {
  test.each([
    ['CRLF stays', 'a\r\nb\r\nc\r\n', 'a\nb', 'x\ny\nz', 'x\r\ny\r\nz\r\nc\r\n'],
    ['one line of CRLF becomes more', 'a\r\nb\r\n', 'a', 'x\ny', 'x\r\ny\r\nb\r\n'],
    ['each of mixed lines keeps its own', 'a\nb\r\nc\nd\r\n', 'a\nb\nc\nd', 'A\nB\nC\nD', 'A\nB\r\nC\nD\r\n'],
    ['a passage that starts with a line end', 'a\r\nb\r\n', '\nb', '\nc', 'a\r\nc\r\n'],
    ['the mark stays', `${bom}a\r\nb\r\n`, 'a\n', 'x\n', `${bom}x\r\nb\r\n`],
    ['the very bytes are replaced by the very bytes', 'a\r\nb\r\n', 'a\r\nb', 'a\nb', 'a\nb\r\n'],
    ['CRLF in a file of LF', 'a\nb\n', 'a\r\nb\r\n', 'x\r\ny\r\n', 'x\ny\n'],
  ])('%s', async (_, before, old, now, after) => {
    expect(await changed(before, 'edit', { old, new: now })).toEqual([after, 'Edited `f` at line 1.']);
  });

  test('a passage that is there twice but for its line ends is there twice', async () => {
    const [, output] = await changed('a\nb\na\r\nb\r\n', 'edit', { old: 'a\nb', new: 'x' });
    expect(output).toBe('`old` occurs 2 times in `f`; include more lines so that it occurs once.');
  });
});

describe('write', () => {
  const kept = (what: string): string => ` It keeps its ${what}; \`exact\` writes the content as given.`;
  test.each([
    [
      'CRLF and the mark stay',
      `${bom}a\r\n`,
      { content: 'x\ny\n' },
      `${bom}x\r\ny\r\n`,
      kept('line ends (CRLF) and its byte order mark'),
    ],
    ['unless told otherwise', `${bom}a\r\n`, { content: 'x\ny\n', exact: true }, 'x\ny\n', ''],
    ['LF stays', 'a\nb\n', { content: 'x\r\ny\r\n' }, 'x\ny\n', kept('line ends (LF)')],
    [
      'of mixed ends the most are taken',
      'a\nb\r\nc\r\n',
      { content: 'x\n' },
      'x\r\n',
      kept('line ends (CRLF)'),
    ],
    ['nothing is said where nothing is changed', 'a\r\n', { content: 'x\r\n' }, 'x\r\n', ''],
    ['a file of one line has no ends to keep', 'a', { content: 'x\r\ny' }, 'x\r\ny', ''],
  ])('%s', async (_, before, input, after, said) => {
    const bytes = Buffer.byteLength(after);
    expect(await changed(before, 'write', input)).toEqual([after, `Replaced \`f\` (${bytes} bytes).${said}`]);
  });
});

test('read shows LF without a mark, and says once what the file has', async () => {
  const { project, call } = await openBench();
  const read = async (content: Buffer | string) => {
    writeFileSync(path.join(project, 'f'), content);
    return (await call('read', { path: 'f' })).output;
  };
  expect([
    await read(`${bom}a\r\nb\r\n`),
    await read(Buffer.from(`${bom}ä\r\n`, 'utf16le')),
    await read(Buffer.from([0xfe, 0xff, 0, 0x61, 0, 0x0a])),
    (await read(`${'x'.repeat(20_000)}\n`)).slice(20_000),
  ]).toEqual([
    'a\nb\n[line ends are CRLF, and edit, patch and write keep them; starts with a byte order mark, which stays]',
    'ä\n[UTF-16LE: edit and patch cannot change it, write makes it UTF-8]',
    'a\n[UTF-16BE: edit and patch cannot change it, write makes it UTF-8]',
    '\n[line 1 has 20,000 characters; grep shows a long line around its match]',
  ]);
});

test('a change made with LF to what read shows is the same change in any line ends, by edit and by patch', async () => {
  const { project, call } = await openBench();
  const file = path.join(project, 'f');
  const line = fc.constantFrom('a', 'b', '', 'c d', '}');
  const inputs = fc.record({
    lines: fc.array(line, { minLength: 1, maxLength: 8 }),
    marked: fc.boolean(),
    at: fc.nat(7),
    put: fc.array(line, { minLength: 1, maxLength: 3 }),
  });
  const write = (text: string, marked: boolean): void =>
    writeFileSync(file, (marked ? bom : '') + text.replaceAll('\n', '\r\n'));
  const now = (): string => readFileSync(file, 'utf8');
  await fc.assert(
    fc.asyncProperty(inputs, async ({ lines, marked, at, put }) => {
      const place = at % lines.length;
      const [old, text] = [`<${place}>\n`, put.map((each) => `${each}\n`).join('')];
      // Each line is there once, so that the passage is certain.
      const before = lines.map((each, index) => `${index === place ? '' : each}<${index}>\n`).join('');
      const after = before.replace(`<${place}>\n`, text);
      const expected = (marked ? bom : '') + after.replaceAll('\n', '\r\n');
      write(before, marked);
      await call('edit', {
        path: 'f',
        old: `${place === 0 ? '' : '\n'}${old}`,
        new: `${place === 0 ? '' : '\n'}${text}`,
      });
      expect(now()).toBe(expected);
      write(before, marked);
      await call('patch', { patch: createTwoFilesPatch('a/f', 'b/f', before, after) });
      expect(now()).toBe(expected);
    }),
    { numRuns: 60 },
  );
});
