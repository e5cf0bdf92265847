import { expect, test } from 'vitest';
import type { Decision } from '../../../workflows/contracts/call.ts';
import { call, decide } from './decide.ts';

function shell(command: string): Decision {
  return decide('headless-permissive-sandbox', call('execute', command), { attended: false }).decision;
}

const intoGit = [
  ...[
    'cd ./.git',
    'cd /project/.git',
    'cd .GIT',
    'cd .gi?',
    'cd .g*',
    'cd {.g,x}it',
    'pushd lib/.git',
    'cd $d',
  ],
  ...[
    'cp x .git',
    'cp x ./.git/hooks/pre-commit',
    'cp x /project/.git/info/attributes',
    'ln -s .git g',
    'mv .git g',
  ],
  ...[
    'git --git-dir=.git log',
    'git --git-dir g log',
    'GIT_DIR=g git log',
    'GIT_DIR=.git git log',
    'git -C .git log',
  ],
  ...[
    'tar -C .git -xf a.tar',
    'install -D x .git/hooks/x',
    'd=.git; cp x $d/hooks/x',
    'tee .git/HEAD',
    'cd .gi$x',
  ],
  ...['cp x "$(git rev-parse --git-dir)/hooks/x"', 'cp x $(git rev-parse --git-path hooks)/x'],
  ...['d=$(git rev-parse --git-common-dir); cp x "$d/hooks/x"', 'cp x /srv/main/.git/worktrees/w/hooks/x'],
  ...['git init --template=t', 'git init --separate-git-dir g', 'for f in .git/*; do rm "$f"; done'],
];

test.each(intoGit)('git’s folder is not entered, whatever it is called: %s', (command) => {
  expect(shell(command)).toBe('deny');
});

test('looking at git’s folder, and leaving it out, is allowed', () => {
  const commands = [
    ...['ls -la .git', 'cat .git/HEAD', 'test -d .git', '[ -d .git ]', 'du -sh .git', 'tree -a -I .git'],
    ...["find . -not -path './.git/*' -name '*.ts'", 'grep -rn x . --exclude-dir=.git', "rg x -g '!.git'"],
    'find . -path ./.git -prune -o -name a -print',
  ];
  expect(commands.filter((each) => shell(each) !== 'allow')).toEqual([]);
});
