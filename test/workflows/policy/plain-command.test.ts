import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitCommand } from '../../../workflows/policy/command.ts';
import { readPlain } from '../../../workflows/policy/plain-command.ts';
import { writePlain } from '../../../workflows/policy/plain-text.ts';
import { createDice } from '../../chaos/dice.ts';
import { createTextSource } from './fuzz/texts.ts';

function written(text: string): string | undefined {
  const plain = readPlain(text);
  return 'list' in plain ? writePlain(plain.list) : undefined;
}

/** The tree without what only tells how it was written. */
function treeOf(text: string): string {
  return JSON.stringify(readPlain(text), (_key, value: unknown) =>
    typeof value === 'object' && value !== null && 'redirects' in value ? { ...value, text: '' } : value,
  );
}

const forms: [text: string, runs: string][] = [
  ['  git   status  ', 'git status'],
  ['git status # all of it', 'git status'],
  ['a \'b c\' "d e" f\\ g h"i"\'j\'', "a 'b c' 'd e' 'f g' hij"],
  ["a 'it'\\''s' \"it's\"", "a 'it'\\''s' 'it'\\''s'"],
  ['a "" \'\' ""$x "$x"', "a '' '' ''${x} \"${x}\""],
  ['a "b$" "\\$x \\` \\" \\\\" "\\n\\."', "a 'b$' '$x ` \" \\' '\\n\\.'"],
  ["a $'b\\tc\\'d'", "a 'b\tc'\\''d'"],
  ['a b\\;c \\( \\) \\! "x!"', "a 'b;c' '(' ')' '!' 'x!'"],
  ['a && b || c ; d & e\nf\n\ng', 'a && b || c; d & e; f; g'],
  ['a |\nb &&\n c', 'a | b && c'],
  ['a \\\n  --b \\\n  c', 'a --b c'],
  ['a 2>&1 >/dev/null <b 2> c', 'a 2>&1 >/dev/null <b 2>c'],
  ['a &>b | c |& d &>>e', 'a >b 2>&1 | c 2>&1 | d >>e 2>&1'],
  ['2>&1 a >"b c" d', "a d 2>&1 >'b c'"],
  ["a <<'E' | b\n$x `y` \\z\nE\nc", "a <<<'$x `y` \\z' | b; c"],
  ['a <<E\none\ntwo\nE', "a <<<'one\ntwo'"],
  ['a <<-E\n\tone\n\tE', 'a <<<one'],
  ['a <<E b <<F\n1\nE\n2\nF', 'a b <<<1 <<<2'],
  ['a "$(b <<E\nc\nE\n)"', 'a "$( b <<<c )"'],
  ['x=1 y="a b" z=$(c) CI= d', "x=1 y='a b' z=$( c ) CI= d"],
  ['a $x "${x}y" ${x##*/}z "$?"', 'a ${x} "${x}"y ${x##*/}z "$?"'],
  ['a `b c` "`d`"', 'a $( b c ) "$( d )"'],
  ['a <(b | c) d', 'a <( b | c ) d'],
  ['a *.ts b/?[a-z]* "*" \'a b\'*', "a *.ts b/?[a-z]* '*' 'a b'*"],
  ['a {b,c}.ts d{1..3} e{,f} @{u} {}', "a b.ts c.ts d1 d2 d3 e ef '@{u}' '{}'"],
  ['a {{b}} --format={{.Names}}', "a '{{b}}' '--format={{.Names}}'"],
  ['a ~ ~/b HEAD~1 ~/"c d"', "a ~ ~/b 'HEAD~1' ~/'c d'"],
  ["'if' a; \"x=1\" b; time 'c'; 'time' d; '-e' f", "'if' a; 'x=1' b; time c; 'time' d; '-e' f"],
  ['[ -f a ] && [[ -n "$x" ]] || [[ $x == "b c" ]]', '[ -f a ] && [[ -n "${x}" ]] || [[ ${x} == \'b c\' ]]'],
  ['(a;b)|{ c; } >/dev/null', '( a; b ) | { c; } >/dev/null'],
  ['if a; then b; elif c\nthen d; else e & fi', 'if a; then b; elif c; then d; else e & fi'],
  ['for f in *.ts "a b"; do c "$f"; done', 'for f in *.ts \'a b\' ; do c "${f}"; done'],
  ['while ! a; do b; done; until c; do d; done', 'while ! a; do b; done; until c; do d; done'],
  ['a é "日本 🙂" #é', "a 'é' '日本 🙂'"],
];

test.each(forms)('%j runs as %j', (text, runs) => {
  expect(written(text)).toBe(runs);
  expect(splitCommand(text).runs).toBe(runs);
  expect(written(runs)).toBe(runs);
});

const outside: string[] = [
  ...[
    'a "$\\\nb"',
    'a b\\\nc',
    'a "b\\\nc"',
    'a $((1))',
    'a $[1]',
    'a ${x@P}',
    'a ${!x}',
    'a ${x:=b}',
    'a ${x/b/c}',
    'a ${#x}',
  ],
  ...[
    'a ${x[b]}',
    'a ${x:-$(b)}',
    'a ${x:1}',
    'a $1',
    'a $@',
    'a "$*"',
    'a $"b"',
    "a $'\\x41'",
    "a $'\\u0041'",
    'a `b \\`c\\``',
  ],
  ...[
    'a <<E\n$x\nE',
    'a <<E\n`b`\nE',
    'a <<E\nb\\c\nE',
    'a <<E\nb',
    'a <<E',
    'a <<E "b\nc"\nd\nE',
    'a <<E $(b\n)\nE',
    'a <<\\E\nE',
    'a <<E\nE',
  ],
  ...[
    'a 2>(b)',
    'a >(b)',
    'a b<(c)',
    'a <(b)c',
    'a 12>b',
    'a 2>$x',
    'a >*',
    'a >',
    'a <>b',
    'a >&b',
    'a <&0',
    'a >&$x',
    'a {x}>b',
    '>b',
  ],
  ...[
    'f() { a; }',
    'function f { a; }',
    'case a in b) c;; esac',
    'select x in a; do b; done',
    'coproc a',
    '((a))',
    'for ((;;)); do a; done',
  ],
  ...[
    'x=(a)',
    'x+=a',
    'x[0]=(a)',
    'a;;b',
    'a &&',
    '| a',
    '&& a',
    'a | | b',
    'a || || b',
    '! ! a',
    'time -p a',
    'time',
    '!',
    ';',
    '&',
  ],
  ...[
    'a "b',
    "a 'b",
    'a $(b',
    'a )',
    '(a',
    '()',
    '{ a',
    '{ a }',
    '}',
    'if a',
    'if a; then b',
    'then',
    'fi',
    'a $( )',
    'a {b',
    'a b}',
    'a {b,"c"}',
  ],
  ...[
    'a {a..c}',
    'a {1..9999}',
    'a x[',
    'a ~b',
    'a x=~',
    'a b:~/c',
    '[[ -v x ]]',
    '[[ a -eq 1 ]]',
    '[[ $x =~ b ]]',
    '[[ $x == b* ]]',
    '[[ ! a == b ]]',
  ],
  ...[
    '[[ "-f" == b ]]',
    '[[ a && b ]]',
    'a\0b',
    'a "\u0001"',
    'a \u007f',
    'a \r',
    'a\u00a0b',
    'a\u2028b',
    'a \ud800',
    'a\vb',
    'a\ufeff',
  ],
];

test.each(outside)('%j is outside of the language', (text) => {
  expect(readPlain(text)).toEqual({ outside: expect.stringMatching(/./) });
  const { runs, commands } = splitCommand(text);
  expect(runs).toBeUndefined();
  expect(commands.filter(({ hidden, inner }) => hidden === undefined && !inner)).toEqual([]);
});

test('what is written is read as the same tree and written as the same text', () => {
  const dice = createDice(7);
  const source = createTextSource(forms.map(([text]) => text));
  let plain = 0;
  for (let count = 0; count < 20_000; count += 1) {
    const text = source.next(dice);
    const runs = written(text);
    if (runs === undefined) continue;
    plain += 1;
    expect([runs, written(runs), treeOf(runs)]).toEqual([runs, runs, treeOf(text)]);
  }
  expect(plain).toBeGreaterThan(1000);
});

test('any text without control characters can be an argument, and stays one in quotes', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
      const usable = words.map((word) => word.replace(/[^\P{Cc}\t\n]/gu, '').toWellFormed());
      const text = ['a', ...usable.map((word) => `'${word.replaceAll("'", `'"'"'`)}'`)].join(' ');
      const { runs = '' } = splitCommand(text);
      const wordsOf = (written: string) =>
        splitCommand(written)
          .commands.filter(({ inner }) => !inner)
          .map((each) => each.words.map((word) => word.text));
      expect([wordsOf(text), wordsOf(runs)]).toEqual([[['a', ...usable]], [['a', ...usable]]]);
    }),
  );
});

test('reading never throws and takes time in step with the length of the text', () => {
  const nested = [
    '$(',
    '"$(',
    '(',
    '{ ',
    'if ',
    '`',
    '<(',
    'a <<E\n',
    '{a,b}',
    "'",
    '"',
    '\\\n',
    ' ',
    '#',
    '[[',
  ];
  for (const piece of nested) {
    const begin = process.cpuUsage();
    for (const start of ['', 'a ']) readPlain(start + piece.repeat(20_000 / piece.length));
    // Of a processor: how long it stands still meanwhile says nothing.
    expect(process.cpuUsage(begin).user / 1000).toBeLessThan(2000);
  }
});
