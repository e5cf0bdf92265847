import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createDice } from '../../chaos/dice.ts';
import { programForms } from '../../../workflows/policy/reading-commands.ts';
import type { ReadingForm } from '../../../workflows/policy/reading-form.ts';
import { gitForms } from '../../../workflows/policy/reading-git.ts';
import { call, decide, profileWith } from './decide.ts';

const reading = profileWith([{ readingCommands: true, decision: 'allow' }], { mode: 'default' });
const isAllowed = (command: string, root: string | null = '/project') =>
  decide(reading, call('execute', command), { projectRoot: root }).decision === 'allow';

test('a command with other options, other files or unknown words is no reading command', () => {
  const allowed = [
    ...[
      'ls',
      'ls -la src/',
      'ls /project/src',
      'cat src/a.ts | wc -l',
      'wc -l src/*.ts',
      'cd /project && ls',
    ],
    ...['rg "a/../b" src', 'rg -n "/api" -g "*.ts" src', 'grep -n "/api" src/a.ts', 'grep -A3 x src/a.ts'],
    ...[
      'git --no-pager diff HEAD~1 --stat',
      'git branch --contains HEAD',
      'git tag -l "v*"',
      'git stash list',
    ],
    ...['find . -mtime -7 -size +10k', 'cut -d: -f1 a', 'head -20 a', "jq '.a | keys' a.json", 'date +%F'],
    ...[
      'rg -n "a" -g "*.{ts,tsx}" -g "!dist" src',
      "rg '/.well-known' -g 'src/**/*.py'",
      'rg x .github/workflows',
    ],
    ...['set -eu; ls', 'cat <<< "exit: $?"', 'wc -l ./src/*.ts', "git log --format='%h %s'"],
    ...['for f in a b; do cat a; done', 'echo "exit: $?"', '{ cat; } < src/a.ts', 'cat < /dev/null'],
  ];
  const others = [
    ...[
      'cat /etc/passwd',
      'cat ../a',
      'cat ~/a',
      'cat src/*.ts',
      'cat src/../../a',
      'cat "$x"',
      'cat $(ls)',
      'cat @a',
      'ls .*/x',
    ],
    ...[
      '{ cat; } < ../a',
      'for f in a; do cat; done < ../a',
      '{ echo "$(cat)"; } < ../a',
      'cd src && ls',
      'cd -',
    ],
    ...[
      'rg -L a',
      'rg -uuu a',
      'rg --no-ignore a',
      'rg -f ../a b',
      'rg --pre x a',
      'rg -z a',
      'rg --files ../a',
    ],
    ...['grep -rn a src', 'grep -R a .', 'grep -f a b', 'grep -d recurse a .', 'grep x -e /etc/a /etc/b'],
    ...['grep -en /etc/passwd', 'grep --regexp=a /etc/passwd', 'rg -ea ../x', 'find * -name a', 'tree *'],
    ...['find . -fprint a', 'find . -ok rm {} ;', 'find -H .', 'find . -files0-from a', 'find . -newer ../a'],
    // What is behind -- is no option: the first is the pattern, the second a file.
    ...['grep -- -i /etc/passwd', 'rg -- -i /etc/passwd', 'jq -- -r /etc/passwd', 'git log -- -p'],
    // A glob makes rg read hidden and ignored files, and so does naming a folder.
    ...[
      "rg -g '*' a",
      'rg -ng "**" a',
      "rg -g '[.]env' a",
      "rg --glob='?env' a",
      "rg --iglob '*.{ts,env}' a",
    ],
    ...["rg a -g '*.json'", "rg -g 'src/**' a", 'rg url .git', 'rg -l a src/../.config', 'rg a ./.docker'],
    // Without an option they run what they are given.
    ...['echo "1" | node', 'node < a', 'python', 'cat a | python3 --', 'python3 - < a', 'npm'],
    // A file may be called --files0-from=.env.
    ...['wc *', 'wc -l */*', 'du *'],
    ...[
      'set',
      'export',
      'true; set',
      'cat <<< "$HOME"',
      '{ cat; } <<< "$HOME"',
      'if true; then cat; fi <<< "$A"',
    ],
    ...['git diff a /dev/null', 'git log --format=%-GG', "git log --format='% G?'"],
    ...['git branch a', 'git branch -d a', 'git branch --sort --list a', 'git branch --sort x', 'git tag a'],
    ...[
      'git tag -d a',
      'git stash',
      'git stash drop',
      'git stash -a list',
      'git reflog expire',
      'git reflog -n 1 expire',
    ],
    ...[
      'git log --show-signature',
      'git log --output=a',
      'git diff --ext-diff',
      'git show --textconv',
      'git grep -Oless a',
    ],
    ...[
      'git blame --contents ../a b',
      'git diff --no-index a b',
      'git diff /etc/a /etc/b',
      'git remote -v',
      'git -C .. log',
    ],
    ...[
      'git for-each-ref --format="%(signature)"',
      'git log --pretty=%G?',
      'git worktree add a',
      'git diff -Oa',
    ],
    ...[
      'sort --compress-program=x a',
      'sort -T /tmp a',
      'uniq -f 1 a b',
      'file -f a',
      'file -m a b',
      'sed -n "1e x" a',
    ],
    ...[
      "jq '$ENV' a",
      'jq \'include "a"; .\' a',
      'date -s now',
      'date 01010000',
      'hostname a',
      'ps e',
      'env',
      'xargs a',
    ],
    ...[
      'less a',
      'awk 1 a',
      'tee a',
      'xxd a b',
      'diff a b',
      'yarn --version',
      'node --version a.js',
      '/bin/ls',
      './ls',
    ],
  ];
  expect(allowed.filter((each) => !isAllowed(each))).toEqual([]);
  expect(others.filter((each) => isAllowed(each))).toEqual([]);
});

test('a link that leads out of the project makes reading it no reading command', () => {
  const wanted = { ...call('execute', 'cat notes'), leadsTo: new Map([['notes', ['/home/a/key']]]) };
  expect(decide(reading, call('execute', 'cat notes')).decision).toBe('allow');
  expect(decide(reading, wanted).decision).toBe('ask');
  expect(decide(reading, { ...wanted, leadsTo: new Map([['notes', ['/project/src/a']]]) }).decision).toBe(
    'allow',
  );
});

/** Everything below a folder, with its content. */
function contentOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !(entry.name === 'index' && entry.parentPath.endsWith('.git')))
    .map(({ parentPath, name }) => `${parentPath}/${name}: ${readFileSync(join(parentPath, name), 'latin1')}`)
    .sort();
}

function optionsOf({
  letters = '',
  numbers = '',
  texts = '',
  long = [],
  words = [],
  count,
}: ReadingForm): string[] {
  return [
    ...[...letters].map((each) => `-${each}`),
    ...[...numbers].flatMap((each) => [`-${each}`, `-${each}2`]),
    ...[...texts].flatMap((each) => [`-${each}`, `-${each}x`, `-${each}made`]),
    ...long.flatMap((each) => {
      const name = `--${each.replace(/=\??$/, '')}`;
      return [
        ...(each.endsWith('=') ? [] : [name]),
        ...(/=\??$/.test(each) ? [`${name}=made`, `${name}=2`] : []),
      ];
    }),
    ...words,
    ...(count ? ['-3'] : []),
  ];
}

test('what is allowed as reading leaves every file as it was, whatever options of the table are put together', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'reading-')));
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: folder, env: { ...process.env, ...quiet } });
  const quiet = {
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    HOME: folder,
    GIT_PAGER: 'cat',
    PAGER: 'cat',
  };
  try {
    mkdirSync(join(folder, 'src'));
    for (const name of ['a', 'src/b.ts', 'src/c.json'])
      writeFileSync(join(folder, name), `{"x": "${name}"}\nb a\n`);
    git('init', '-q', '-b', 'main');
    git('add', '.');
    git('-c', 'user.name=a', '-c', 'user.email=a@b.c', 'commit', '-qm', 'first');
    writeFileSync(join(folder, 'a'), 'changed\n');
    const before = contentOf(folder);
    const dice = createDice(20261130);
    const forms = [
      ...Object.entries(programForms),
      ...Object.entries(gitForms).map(([name, form]) => [`git ${name}`, form] as const),
    ].filter(([name]) => !/^(sleep|seq|exit|return|break|continue|set|export|node|npm|python3?)$/.test(name));
    const made = ['a', 'src', 'src/b.ts', 'x', 'HEAD', '--', '-', 'made', '2', '.'];
    const commands = new Set<string>();
    for (const [name, form] of forms) {
      const options = optionsOf(form);
      for (let tries = 0; tries < 5; tries += 1) {
        const words = Array.from({ length: dice.below(6) }, () =>
          dice.pick(dice.chance(0.6) && options.length > 0 ? options : made),
        );
        const text = [name, ...words].join(' ');
        const { decision, runs } = decide(reading, call('execute', text), { projectRoot: folder });
        if (decision === 'allow' && runs !== undefined) commands.add(runs);
      }
    }
    expect(commands.size).toBeGreaterThan(120);
    const script = [...commands].map((each) => `( ${each} ) </dev/null >/dev/null 2>&1\n`).join('');
    execFileSync('bash', [], {
      cwd: folder,
      env: { ...process.env, ...quiet },
      input: `${script}true`,
      timeout: 150_000,
    });
    const after = contentOf(folder);
    expect(after.filter((each) => !before.includes(each))).toEqual([]);
    expect(after).toEqual(before);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
