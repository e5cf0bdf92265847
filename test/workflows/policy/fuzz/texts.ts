// Makes texts that a shell could be given: some well formed, some of pieces that meet in ways no person would write, and
// some that were good and had a few signs changed. The same seed makes the same texts.
import type { Dice } from '../../../chaos/dice.ts';
import { knownHoles } from './known-holes.ts';

/** Programs on the PATH of the shells; `nope` fails, all others succeed. */
export const programs: readonly string[] = [
  ...['git', 'ls', 'cat', 'npm', 'grep', 'find', 'head', 'wc', 'node', 'pytest', 'nope'],
  ...['touch', 'curl', 'rl', 'cu', 'rm', 'env', 'xargs', 'timeout', 'P', 'E', 'a', 'sh'],
];

const simple = [
  'git status',
  'ls',
  'nope',
  'echo',
  'cat a.ts',
  'npm test',
  'true',
  'false',
  'git log',
  'ls -la',
  'find .',
];
const words = [
  ...[
    'a',
    'b.ts',
    "'a b'",
    '"a b"',
    '*.ts',
    '"$x"',
    '$x',
    '${x%.ts}',
    '${y:-b}',
    '{a,b}',
    'c{1..3}',
    'a\\ b',
    '-n',
    '~',
    '~/a',
  ],
  ...[
    '"a$"',
    "'$x'",
    "'it'\\''s'",
    '"\\$x"',
    '"a\\.b"',
    '[',
    ']',
    '{}',
    'HEAD~1',
    '@{u}',
    'é',
    "$'a\\tb'",
    '""',
    "''",
    '""$x',
    'a=b',
  ],
  ...[
    '$(ls)',
    '"$(git log)"',
    '`ls`',
    '<(ls b)',
    '$(echo a b)',
    '"$(echo "$x")"',
    '$?',
    '#a',
    'a#b',
    '!',
    '?.ts',
    '[ab].ts',
    '--x=*.ts',
  ],
  ...[
    '"a\nb"',
    "'a\\b'*",
    "'*'*",
    '"[a]"*',
    '%1',
    '-',
    '--',
    "'if'",
    '"\'"',
    'touch',
    '\\touch',
    '=a',
    "'#'",
    ';;',
    '\\;',
    '\\(',
    "'\t'",
  ],
];
const redirects = [
  ...[
    '2>&1',
    '>/dev/null',
    '2>/dev/null',
    '&>/dev/null',
    '<a.ts',
    '<<<x',
    '<<<"$x"',
    '>&2',
    '< nofile',
    '2>&-',
    '>out',
    '>>out',
    '3>&1',
  ],
  ...[
    "<<'E'\n$x `a`\nE\n",
    '<<E\nmere text\nE\n',
    '<<-E\n\ta\n\tE\n',
    '<<E\n$x\nE\n',
    '<>a.ts',
    '>|out',
    '2>out',
    '0</dev/null',
    '<<""\n\n',
  ],
];
const settings = [
  'x=a',
  'x=',
  'y="a b"',
  'x=$(ls)',
  'CI=1',
  "x='*'",
  'x=*.ts',
  'x="$y"',
  'PATH=.',
  'x=~',
  "x='$(touch P)'",
  'x=-v',
];
const joints = [
  ' && ',
  ' || ',
  '; ',
  '\n',
  ' | ',
  ' & ',
  ' |& ',
  ';',
  '&&',
  '|',
  '\n\n',
  ' # no\n',
  ' && \\\n',
  ' \\\n && ',
];
const signs = [
  ...' \t\n;&|()<>{}[]$`"\'\\~*?!#=%@+-^:,._/ab01xPE',
  ...[
    '$(',
    '${',
    '$((',
    '))',
    '<(',
    '>(',
    '<<E\n',
    '\nE\n',
    '<<<',
    '\\\n',
    "$'",
    '$"',
    '$[',
    '[[ ',
    ' ]]',
    '(( ',
    ' ))',
    'x@P',
    '${x',
    ':-',
  ],
  ...[
    'touch P',
    '$(touch P)',
    '`touch P`',
    '<(touch P)',
    '(touch P)',
    'a[$(touch P)]',
    ' if ',
    ' then ',
    ' fi',
    'for x in ',
    'do ',
    'done',
  ],
  ...[
    '2>',
    '&>',
    '>&',
    '|&',
    ';;',
    'x=',
    'x+=',
    'x[0]=',
    'f() ',
    'function f ',
    'case x in ',
    'esac',
    'coproc ',
    'time ',
    '! ',
    'eval ',
  ],
  ...[
    '\r',
    '\0',
    '\u00a0',
    '\u2028',
    '\u0001',
    '\u007f',
    '\ufeff',
    '\ud800',
    'é',
    '{a,b}',
    '{1..3}',
    '-exec ',
    '-v ',
    '.env',
    '..',
    '\\touch',
  ],
];

export interface TextSource {
  next(dice: Dice): string;
}

/** `corpus` are texts to change, beside those that are made up. */
export function createTextSource(corpus: readonly string[]): TextSource {
  const start = [...corpus, ...knownHoles];
  return {
    next(dice) {
      const roll = dice.below(10);
      if (roll === 0) return list(dice, 2);
      if (roll === 1) return Array.from({ length: dice.between(1, 8) }, () => dice.pick(signs)).join('');
      return mutate(dice, roll < 6 ? dice.pick(start) : list(dice, 2));
    },
  };
}

function list(dice: Dice, depth: number): string {
  let text = command(dice, depth);
  while (dice.chance(0.45)) text += dice.pick(joints) + command(dice, depth);
  return text;
}

function command(dice: Dice, depth: number): string {
  if (depth > 0 && dice.chance(0.2)) return block(dice, depth - 1);
  const parts = [dice.pick(simple)];
  if (dice.chance(0.15)) parts.unshift(dice.pick(settings));
  if (dice.chance(0.05)) return dice.pick(settings);
  while (dice.chance(0.4)) parts.push(dice.pick(words));
  while (dice.chance(0.15)) parts.push(dice.pick(redirects));
  if (depth > 0 && dice.chance(0.1)) parts.push(`"$(${list(dice, depth - 1)})"`);
  return (dice.chance(0.05) ? dice.pick(['! ', 'time ']) : '') + parts.join(dice.chance(0.9) ? ' ' : '  ');
}

function block(dice: Dice, depth: number): string {
  const inner = () => list(dice, depth);
  switch (dice.below(6)) {
    case 0:
      return `(${inner()})`;
    case 1:
      return `{ ${inner()}; }`;
    case 2:
      return `if ${inner()}; then ${inner()}; fi`;
    case 3:
      return `if ${inner()}\nthen ${inner()}\nelse ${inner()}\nfi`;
    case 4:
      return `for x in ${dice.pick(words)} ${dice.pick(words)}; do ${inner()}; done`;
    default:
      return dice.pick([
        `while nope; do ${inner()}; done`,
        `until ${inner()}; do nope; done`,
        `[[ -n "$x" ]] && ${inner()}`,
      ]);
  }
}

function mutate(dice: Dice, text: string): string {
  let changed = text;
  const times = dice.between(1, 3);
  for (let time = 0; time < times; time += 1) {
    const at = dice.below(changed.length + 1);
    const until = Math.min(changed.length, at + dice.below(4));
    const piece = [
      () => dice.pick(signs),
      () => '',
      () => dice.pick(words),
      () => changed.slice(dice.below(changed.length + 1)).slice(0, 8),
    ];
    changed = changed.slice(0, at) + dice.pick(piece)() + changed.slice(dice.chance(0.5) ? at : until);
  }
  return changed.slice(0, 400);
}
