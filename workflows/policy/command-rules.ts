// The rules of the built-in profiles that allow commands, each with examples that are held to it when profiles are checked.
import type { PolicyRule } from '../contracts/policy.ts';
import { lookCommands } from './look-commands.ts';
import { checkCommands, testCommands } from './test-commands.ts';

export const runReadingCommands: PolicyRule = {
  effect: 'execute',
  readingCommands: true,
  decision: 'allow',
  reason: 'it only reads',
  examples: {
    match: [
      ...[
        'git status',
        'git diff src/a.ts && ls -la',
        'cat src/a.ts | head -20',
        'rg -n "a b" src -g "*.ts"',
      ],
      ...[
        "find . -name '*.ts' -not -path './dist/*'",
        'git log --oneline -10',
        'git branch --list',
        'ls *.ts',
      ],
      ...[
        'sed -n 1,20p a.ts',
        'echo "exit: $?"',
        'wc -l < a.ts',
        'git show HEAD:src/a.ts',
        'sort -u a | uniq -c',
      ],
    ],
    noMatch: [
      ...[
        'git status; rm -rf .',
        'git status\ntouch x',
        'git status $(id)',
        'git diff --output=x',
        'git push',
      ],
      ...['git -c core.pager=id log', 'PATH=. git status', './git status', 'git branch new', 'git tag v1'],
      ...[
        'rg --pre=x a',
        'rg --hidden a',
        'grep -r a .',
        'find . -delete',
        'find . -exec rm {} +',
        'find -L .',
      ],
      ...['sort -o x a', 'uniq a b', 'tree -o x', 'file -C', 'sed -i s/a/b/ a', "sed -n 'w x' a", 'ls > x'],
      ...[
        'cat /etc/passwd',
        'cat ../x',
        'cat < /etc/passwd',
        '{ cat; } < /etc/passwd',
        'cat *',
        'grep -e a /etc/x',
      ],
      ...[
        'echo "$HOME"',
        'env',
        'git remote -v',
        'git log --format=%G?',
        'xargs ls',
        'date 0101',
        'git stash -a list',
      ],
    ],
  },
};

// The forms are written out: options of test runners can name another program to run (-exec, -p, --script-shell). What
// remains: tests and scripts are programs of the project, which the agent may write, and so are their settings.
export const runTests: PolicyRule = {
  effect: 'execute',
  commands: [...testCommands],
  decision: 'allow',
  reason: 'running the tests',
  examples: {
    match: [
      'go test ./... -run TestCart',
      'python -m pytest -q 2>&1',
      'npm test -- cart src/order',
      'pnpm test && npm test',
    ],
    noMatch: [
      ...["go test -exec 'curl x' ./...", 'npm test --script-shell=/tmp/x', 'npm test --prefix /tmp/x'],
      ...['python -m pytest -p x --rootdir=/tmp', 'python3 -m pytest /tmp/x', 'npm test -- ../x'],
      ...['npm testing', 'sh -c "npm test"', 'npm test > log'],
    ],
  },
};

export const runChecks: PolicyRule = {
  effect: 'execute',
  commands: [...checkCommands],
  decision: 'allow',
  reason: 'building or checking the project by its own script',
  examples: {
    match: ['npm run build', 'pnpm lint && yarn typecheck', 'npm run lint -- src/a.ts', 'make check'],
    noMatch: [
      ...[
        'npm run lint -- --fix',
        'npm run deploy',
        'npm run build --prefix /tmp/x',
        'yarn --cwd /tmp build',
      ],
      ...['npm run build -- --out /tmp', 'npx build', 'make build install', 'npm run lint -- ../x'],
    ],
  },
};

export const noOtherCommands: PolicyRule = {
  effect: 'execute',
  decision: 'deny',
  reason:
    'only commands that read (ls, cat, rg, find, git log and their like, without grep -r), the tests and the build, ' +
    'lint, check and typecheck scripts are allowed, with few options, alone, in a pipe or in a chain',
};

export const lookAtFiles: PolicyRule = {
  effect: 'execute',
  commands: [...lookCommands],
  decision: 'allow',
  reason: 'only looking at files',
  examples: {
    match: [
      'ls -la .git',
      'cat .github/workflows/ci.yml',
      'grep -r --exclude-dir=.git x .',
      'git add .husky',
    ],
    noMatch: [
      "sed -n 'w .husky/a' b",
      'cat a > .envrc',
      'find .husky -delete',
      'git diff --output=.envrc',
      'tee .envrc',
    ],
  },
};

export const understoodCommands: PolicyRule = {
  effect: 'execute',
  commands: ['**'],
  decision: 'allow',
  reason: 'any command that can be looked through',
  examples: {
    match: ['make build && ./run --fast', 'grep -rn "$PATTERN" src | head -5'],
    noMatch: ['eval "$x"', 'bash script.sh', 'echo x > src/a.ts', 'LD_PRELOAD=x ls', 'ls | xargs rm'],
  },
};
