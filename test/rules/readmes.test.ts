import { expect, test } from 'vitest';
import { productFiles, type SourceFile } from './product-files.ts';

// What a person reads in half an hour. The guarantees and the recording are no READMEs and do not count.
const mostWords = 6000;

/** A generated table is looked up, not read. */
function withoutTables(text: string): string {
  return text.replaceAll(/<!-- table: [\w-]+ -->[^]*?<!-- end -->/g, '');
}

function lengthProblems(readmes: readonly SourceFile[]): string[] {
  const counts = readmes.map(({ name, text }) => ({
    name,
    words: (withoutTables(text).match(/\S+/g) ?? []).length,
  }));
  const words = counts.reduce((sum, each) => sum + each.words, 0);
  if (words <= mostWords) return [];
  const each = counts.map((one) => `${one.name} ${one.words}`).join(', ');
  return [
    `the READMEs have ${words} words together, at most ${mostWords} are read (${each}): shorten one, or say it where the thing is defined`,
  ];
}

/** Files that a README names and that are nowhere; `step/open.ts` may be at any depth. */
function fileProblems(readmes: readonly SourceFile[], files: readonly string[]): string[] {
  return readmes.flatMap(({ name, text }) =>
    [...text.matchAll(/`([\w./-]+\.(?:ts|mjs|md|txt|yml))`/g)]
      .map(([, named = '']) => named)
      .filter((named) => !files.some((file) => file === named || file.endsWith(`/${named}`)))
      .map((named) => `${name}: there is no ${named}`),
  );
}

test('the READMEs are short enough to be read', () => {
  const readmes = productFiles(['**/README.md']);
  expect(readmes.map(({ name }) => name)).toContain('README.md');
  expect(lengthProblems(readmes)).toEqual([]);
});

test('every file that a README names is there', () => {
  const files = productFiles().map(({ name }) => name);
  expect(fileProblems(productFiles(['**/README.md']), [...files, 'activities/store/db/tables.ts'])).toEqual(
    [],
  );
});

test('a README that is too long, and a file that is gone, are noticed', () => {
  const long = { name: 'README.md', text: 'word '.repeat(mostWords + 1) };
  expect(lengthProblems([long])).toHaveLength(1);
  const table = `<!-- table: entries -->\n${long.text}\n<!-- end -->`;
  expect(lengthProblems([{ ...long, text: table }])).toEqual([]);
  expect(lengthProblems([{ ...long, text: `${table}\n${long.text}` }])).toHaveLength(1);
  const named = { name: 'api/README.md', text: 'Read `app.ts`, then `routes/gone.ts`.' };
  expect(fileProblems([named], ['api/app.ts'])).toEqual(['api/README.md: there is no routes/gone.ts']);
});
