import { expect, test } from 'vitest';
import { codeFiles, productFiles, type SourceFile } from './product-files.ts';

interface Ban {
  pattern: RegExp;
  instead: string;
  /** Where the word is a term of another system, in that system's meaning. */
  except?: RegExp;
}

const bans: Ban[] = [
  {
    // Written so that this file does not hold the word: it means four different things in this field.
    pattern: /sessi[o]n/i,
    instead: 'say run, conversation or connection, whichever you mean',
    // The operating system's groups of processes, a setting of Postgres, a browser's storage, and the table that
    // translates others' words, with its test.
    except:
      /^(README\.md$|test\/api\/come-from\.test\.ts$|worker\/supervisor\/process\/detached-process)|sessi[o]nStorage|in_transaction_sessi[o]n/,
  },
  {
    pattern: /npm[j]s\.(org|com)|registry\.[a-z]|proxy\.golan[g]|pypi\.or[g]|crates\.i[o]|deb\.debia[n]/i,
    instead: 'no file names a package registry: the ordinary clients know theirs',
  },
  { pattern: /(^|[\s"'`(=])\/(work|root)\//, instead: 'a path of one machine is wrong on every other' },
];

function wordProblems({ name, text }: SourceFile): string[] {
  return text
    .split('\n')
    .flatMap((line, at) =>
      bans
        .filter(({ pattern, except }) => pattern.test(line) && !except?.test(name) && !except?.test(line))
        .map(({ instead }) => `${name}:${at + 1}: ${instead}`),
    );
}

function todoProblems({ name, text }: SourceFile): string[] {
  return text.split('\n').flatMap((line, at) => {
    const isNote = /(\/\/|#|\*)\s*(TOD[O]|FIXM[E]|XX[X])\b/.test(line);
    return isNote && !/TOD[O].*https?:\/\//.test(line) ? [`${name}:${at + 1}: do it, or link the issue`] : [];
  });
}

// Migrations that ran somewhere stay as they are.
const oldMigration = /migrations\/00([01]\d|20)-/;

/** A comment names who or what it speaks of. */
function vagueProblems({ name, text }: SourceFile): string[] {
  const vague = /(^\s*(\/\/|\/?\*)|\s\/\/\s).*\b(who|no|some|any|every)(ever|body)\b/i;
  return text.split('\n').flatMap((line, at) => {
    if (!vague.test(line) || oldMigration.test(name)) return [];
    return [`${name}:${at + 1}: say who or what: a caller, a person, another process`];
  });
}

/** A file says in its first lines what it is for. */
function openingProblems({ name, text }: SourceFile): string[] {
  const lines = text.split('\n').filter((line, at) => at > 0 || !line.startsWith('#!'));
  const end = lines.findIndex((line) => !line.startsWith('//'));
  if (end === 0) return [`${name}: open with one to four lines that say what the file is for`];
  return end > 4 ? [`${name}: its opening has ${end} lines, four are enough`] : [];
}

test('no file holds a word, host or path that does not belong', () => {
  const files = productFiles();
  expect(files.length).toBeGreaterThan(30);
  expect(files.flatMap(wordProblems)).toEqual([]);
});

test('what is left to do has a link to its issue', () => {
  expect(productFiles([...codeFiles, '*', '.ci/*']).flatMap(todoProblems)).toEqual([]);
});

test('no comment speaks of a person or a program without a noun', () => {
  const files = productFiles(codeFiles).filter(({ name }) => !name.endsWith('.test.ts'));
  expect(files.flatMap(vagueProblems)).toEqual([]);
});

test('every file of code opens with what it is for', () => {
  const files = productFiles(codeFiles).filter(({ name }) => !name.endsWith('.test.ts'));
  expect(files.flatMap(openingProblems)).toEqual([]);
});

test('each of these is noticed', () => {
  const word = ['sess', 'ion'].join('');
  const note = ['TO', 'DO'].join('');
  const who = ['who', 'ever'].join('');
  const lines = [
    '',
    `// ${note}: later, ${who} does it`,
    `const ${word}Id = 1;`,
    `const place = '/ro${''}ot/x';`,
  ];
  const sample = { name: 'api/sample.ts', text: lines.join('\n') };
  const found = [wordProblems, todoProblems, vagueProblems, openingProblems].map(
    (find) => find(sample).length,
  );
  expect(found).toEqual([2, 1, 1, 1]);
});
