import { expect, test } from 'vitest';
import { splitCommand } from '../../../workflows/policy/command.ts';

/** The simple commands as words, `?` for what is known only when it runs and `…` for what may be several. */
function commandsOf(text: string): string[] {
  return splitCommand(text)
    .commands.filter(({ inner, words }) => !inner && words.length > 0)
    .map(({ words }) => words.map(({ text: word, splits }) => word ?? (splits ? '…' : '?')).join(' '));
}

const split: [text: string, commands: string[]][] = [
  ['a b', ['a b']],
  ['a | b |& c', ['a', 'b', 'c']],
  ['a && b || c; d & e\nf', ['a', 'b', 'c', 'd', 'e', 'f']],
  ['(a; { b; })', ['a', 'b']],
  ['if a; then b; elif c; then d; else e; fi', ['a', 'b', 'c', 'd', 'e']],
  ['while a; do b; done; until c; do d; done', ['a', 'b', 'c', 'd']],
  ['for x in 1 2; do a "$x"; done', ['a ?']],
  ['! time a', ['a']],
  ["a <<'X'\n$(b)\nX", ['a']],
  ['"a" \'b c\' $\'\\x64\' e\\ f g"h"i', ['a b c d e f ghi']],
  ['a "$x" $y ~/z *.ts {p,q}r "~" \\*', ['a ? … ? … pr qr ~ *']],
  ['a $(b "$(c)") `d e`', ['a … …', 'b ?', 'c', 'd e']],
  ['a "x$(b)y" <(c)', ['a ? ?', 'b', 'c']],
  ['x=$(a) c', ['c', 'a']],
  ['a $? $! "$!"', ['a ? … ?']],
  ['[[ -f a ]] && b', ['b']],
  ['{ a; } | (b &) ; ! c', ['a', 'b', 'c']],
  ['a # b', ['a']],
  ['a\\\nb c', ['ab c']],
  ['a 2>&1 >/dev/null <in', ['a']],
];

test.each(split)('%j runs these commands', (text, commands) => {
  expect(commandsOf(text)).toEqual(commands);
});

const guessed: [text: string, commands: string[]][] = [
  ['case x in y) a;; *) b;; esac', ['a', 'b']],
  ['f() { a; }; f 1', ['a', 'f 1']],
  ['a $(b "$(c)") `d \\`e\\``', ['a … …', 'b …', 'c', 'd …', 'e']],
  ['a "x$(b)y" <(c) >(d)', ['a … … …', 'b', 'c', 'd']],
  ['a <<X\n$(b)\nX', ['a', 'b']],
  ['a <<< "$(b)"', ['a', 'b']],
  ['a ${x:-$(b)} ${y/$(c)/d}', ['a … …', 'b', 'c']],
  ['x=$(a) y=(1 $(b)) c', ['c', 'a', 'b']],
  ['[[ $(a) == $(b) ]]', ['a', 'b']],
  ['a $((1 + 2)) "$@"', ['a … …']],
];

test.each(guessed)(
  '%j is more than plain commands, and these are looked at as far as they are seen',
  (text, commands) => {
    expect(commandsOf(text)).toEqual(commands);
    const { runs, commands: all } = splitCommand(text);
    expect([runs, all.filter(({ inner, hidden: why }) => !inner && why === undefined)]).toEqual([
      undefined,
      [],
    ]);
  },
);

const hidden: [text: string, why: RegExp][] = [
  ['$x a', /known only when it runs/],
  ['"$(a)" b', /known only when it runs/],
  ['~/a', /known only when it runs/],
  ['./a*', /known only when it runs/],
  ['eval a', /eval runs/],
  ['. a', /\. runs/],
  ['source a', /source runs/],
  ['/bin/bash a', /bash is a shell/],
  ['a | sh', /sh is a shell/],
  ['xargs a', /xargs runs another command/],
  ['/usr/bin/env a', /env runs another command/],
  ['sudo -n a', /sudo runs another command/],
  ['timeout -k 5 9 a', /timeout runs another command/],
  ['find . -exec a {} +', /find runs another command/],
  ['fd x -x a', /fd runs another command/],
  ['git -c x.y=a log', /git -c changes/],
  ['git --exec-path=a log', /git --exec-path=a changes/],
  ['git "$x" log', /known only when it runs/],
  ['alias a=b', /alias runs or changes/],
  ['trap a EXIT', /trap runs or changes/],
  ['read a', /read runs or changes/],
  ['set -- a', /set changes/],
  ['printf -v a b', /printf may set/],
  ["test -v 'a[$(b)]'", /more than numbers/],
  ['PATH=a b', /setting PATH/],
  ['LD_PRELOAD=a b', /setting LD_PRELOAD/],
  ['GIT_DIR=a git log', /setting GIT_DIR/],
  ['x=1 a', /setting x/],
  ['PATH=a', /setting PATH/],
  ['IFS=a; b', /setting IFS/],
  ['BASH_CMDS[a]=b', /known only when it runs/],
  ['export PATH=a', /setting PATH/],
  ['export -f a', /export changes/],
  ['declare -i x=a', /declare runs or changes/],
  ['for PATH in a; do b; done', /setting PATH/],
  ['a ${PATH:=b}', /more than plain commands/],
  ['a ${!x}', /more than plain commands/],
  ['a ${x@P}', /more than plain commands/],
  ['a ${x[b]}', /more than plain commands/],
  ['a ${x:b}', /more than plain commands/],
  ['a $((b))', /more than plain commands/],
  ['(( a ))', /more than plain commands/],
  ['[[ a -eq 1 ]]', /more than plain commands/],
  ['for ((i = 0; i < 3; i++)); do a; done', /more than plain commands/],
  ['coproc a', /more than plain commands/],
  ['select x in a; do b; done', /more than plain commands/],
  ['a $"b"', /more than plain commands/],
  ['a > $x', /known only when it runs/],
  ['a {x}> b', /more than plain commands/],
  ['a < /dev/tcp/b/80', /opens a connection/],
  ['a <<X\nb', /more than plain commands/],
  ['a "b', /more than plain commands/],
  ['a $(b', /more than plain commands/],
  ['if a', /more than plain commands/],
  ['a;;b', /more than plain commands/],
  [`a ${'x'.repeat(20_001)}`, /too long/],
  [`a ${'$('.repeat(600)}`, /more than plain commands/],
  [`a ${'"$('.repeat(6000)}`, /more than plain commands/],
];

test.each(hidden)('%.60j is in doubt', (text, why) => {
  const reasons = splitCommand(text).commands.flatMap(({ hidden: reason }) => reason ?? []);
  expect(reasons.join('; ')).toMatch(why);
});

const cautious: [text: string, file: string][] = [
  ['a > b', 'b'],
  ['a >> "b c"', 'b c'],
  ['a >| b', 'b'],
  ['a &> b', 'b'],
  ['a &>> b', 'b'],
  ['{ a; } > b', 'b'],
];

test.each(cautious)('%j writes a file', (text, file) => {
  expect(splitCommand(text).commands.flatMap(({ caution }) => caution ?? [])).toEqual([
    `it writes to ${file}; use a tool that writes files`,
  ]);
});

test.each([
  'a >/dev/null 2>&1',
  'a 2>/dev/null </dev/null',
  'a 3>&- >&2',
  'CI=1 NODE_ENV=test a',
  'x=1; a',
  'set -euo pipefail; a',
  'export CI=1; a',
  'git --no-pager log',
  'find . -name a',
  'a ${x#y} ${x:-y} "${x%.ts}"',
])('%j leaves no doubt', (text) => {
  expect(
    splitCommand(text).commands.flatMap(({ hidden: reason, caution }) => reason ?? caution ?? []),
  ).toEqual([]);
});

test('what a command may run inside of it is found as words and as text, and is marked', () => {
  const inner = (text: string) =>
    splitCommand(text)
      .commands.filter((each) => each.inner && each.words.length > 0)
      .map(({ words }) => words.map(({ raw }) => raw).join(' '));
  expect(inner('env -i curl x')).toEqual(['-i curl x', 'curl x', 'x']);
  expect(inner("bash -c 'curl x; y'")).toContain('curl x');
  expect(inner(`bash -c 'eval "curl x"'`)).toContain('curl x');
  expect(inner('ls curl x')).toEqual([]);
});
