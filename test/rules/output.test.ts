// Everything a person runs writes through one file, which knows what to do when a reader is gone; a write beside it would
// end in a stack trace and a wrong exit code.
import { expect, test } from 'vitest';
import { productFiles, type SourceFile } from './product-files.ts';

const way = 'api/cli/terminal/standard-streams.ts';
// The bootstrap runs before there may be anything to import; it writes with calls that it catches.
const direct =
  /process\s*(\?\.|\.)\s*(stdout|stderr)|\[['"](stdout|stderr)['"]\]|\bconsole\s*\.|from '(node:)?(process|console)'|\b_rawDebug\b/;

function beside(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ name }) => name !== way)
    .flatMap(({ name, text }) =>
      text
        .split('\n')
        .flatMap((line, at) =>
          direct.test(line) && !/\.isTTY/.test(line) ? [`${name}:${at + 1}: write through ${way}`] : [],
        ),
    );
}

test('commands write through one file', () => {
  const files = productFiles(['{api,worker,activities}/**/*.{ts,mjs}']).filter(
    ({ name }) => !name.startsWith('api/ui/'),
  );
  expect(files.map(({ name }) => name)).toContain(way);
  expect(beside(files)).toEqual([]);
});

test('a write beside it is noticed', () => {
  const lines = [
    'process.stdout.write(x);',
    "process['stderr'].write(x);",
    'console.log(x);',
    "import { stdout } from 'node:process';",
    'const isTerminal = process.stdout.isTTY;',
  ];
  expect(beside([{ name: 'api/cli/x.ts', text: lines.join('\n') }])).toHaveLength(4);
});
