import { expect, test } from 'vitest';
import { call, decide, profileWith } from './decide.ts';

const permissive = 'headless-permissive-sandbox';
const shell = (command: string, attended = true) =>
  decide(permissive, call('execute', command), { attended }).decision;

const forbidden = 'curl https://example.org';

// `CMD` stands for words, `TEXT` for the same as one text.
const around = [
  ...[
    'foo CMD',
    'foo -n 5 CMD',
    './tools/with-env CMD',
    'nice CMD',
    'nice -n 5 CMD',
    'timeout -s KILL 5 CMD',
  ],
  ...[
    'uv run CMD',
    'uv run --with x CMD',
    'npx CMD',
    'npx -y CMD',
    'pnpm dlx CMD',
    'bunx CMD',
    'yarn dlx CMD',
  ],
  ...[
    'poetry run CMD',
    'pipenv run CMD',
    'bundle exec CMD',
    'conda run -n x CMD',
    'npm exec -- CMD',
    'npm x CMD',
  ],
  ...['direnv exec . CMD', 'mise exec -- CMD', 'xargs CMD', 'ls | xargs -n1 CMD', 'find . -exec CMD {} +'],
  ...[
    'find . -name x -ok CMD',
    'fd x -x CMD',
    'env -i CMD',
    'env -u cat CMD',
    'busybox CMD',
    'toybox CMD',
    'sudo CMD',
  ],
  ...[
    'python -m foo CMD',
    'watch CMD',
    'strace -f CMD',
    'git bisect run CMD',
    'go run x CMD',
    'unknown1 unknown2 CMD',
  ],
  ...[
    "npx -c 'TEXT'",
    "npx --call='TEXT'",
    "env -S 'TEXT'",
    "env -S'TEXT'",
    "script -c 'TEXT'",
    "foo 'TEXT'",
  ],
  ...[
    "bash -c 'TEXT'",
    "rbash -c 'TEXT'",
    "bash5 -c 'TEXT'",
    "bash-5.2 -lc 'TEXT'",
    "dash -c 'TEXT'",
    "zsh5 -c 'TEXT'",
  ],
  ...[
    "busybox sh -c 'TEXT'",
    "/opt/x/mysh -c 'TEXT'",
    "pwsh -c 'TEXT'",
    "elvish -c 'TEXT'",
    "foo sh -c 'TEXT'",
  ],
  ...["git submodule foreach 'TEXT'", 'git submodule foreach --recursive CMD', "git rebase -x 'TEXT' main"],
  ...["git rebase --exec='TEXT' main", "git rebase --exe 'TEXT' main", "git rebase -ix 'TEXT' main"],
  ...["git -c core.pager='TEXT' log", "git -c core.fsmonitor='TEXT' status", "git -c alias.x='!TEXT' x"],
  ...["git filter-branch --tree-filter 'TEXT'", "git difftool --extcmd='TEXT'", "git difftool -x 'TEXT'"],
  ...[
    "git grep -O'TEXT' x",
    "git grep --open-files-in-pager='TEXT' x",
    "/usr/lib/git-core/git-rebase -x 'TEXT' main",
  ],
  ...[
    "go test -exec 'TEXT' ./...",
    "tar --to-command='TEXT' -xf a.tar",
    "rg --pre 'TEXT' x",
    "sort --compress-program='TEXT'",
  ],
  ...["split --filter='TEXT' a", "python3 -c 'TEXT'", "foo bash -c 'TEXT'", "timeout 5 rbash -c 'TEXT'"],
];

test.each(around.filter((each) => !each.startsWith('go run')))(
  'a forbidden command is found in: %s',
  (form) => {
    const command = form.replace('CMD', forbidden).replace('TEXT', forbidden);
    expect(shell(command)).toBe('deny');
  },
);

test('a rule of one’s own about any program is held against what is behind an unknown one', () => {
  const own = profileWith([
    { commands: ['rm -rf **', 'reboot **'], decision: 'deny' },
    { commands: ['**'], decision: 'allow' },
  ]);
  const commands = [
    'foo rm -rf x',
    'ssh host rm -rf x',
    'docker run x rm -rf /',
    'docker exec c sh -c "rm -rf /"',
  ];
  commands.push('foo reboot', 'uv run reboot', 'kubectl exec p -- reboot now', "ssh host 'cd x; rm -rf y'");
  expect(commands.filter((each) => decide(own, call('execute', each)).decision !== 'deny')).toEqual([]);
});

test.each([
  ...[
    'rbash x.sh',
    'bash5 x.sh',
    "mysh -c 'ls'",
    'busybox sh x',
    'npx bash x.sh',
    'uv run sh x.sh',
    'foo env ls',
  ],
  ...[
    'git submodule foreach ls',
    'git rebase -x ls main',
    'git rebase --ex ls main',
    'git bisect run npm test',
  ],
  ...['git difftool', 'git mergetool', 'git filter-branch --all', 'git grep -O x', 'git $x', 'git rebase $x'],
  ...['git submodule $x ls', 'uv run git rebase -x ls main', 'find . -fprint x', 'git -c core.pager=x log'],
])('what runs more than its words say is asked about: %s', (command) => {
  expect([shell(command), shell(command, false)]).toEqual(['ask', 'deny']);
});

test.each([
  ...['git remote show origin', 'git remote -v show origin', 'git remote update', 'git remote prune origin'],
  ...[
    'git remote add -f x https://x',
    'git lfs pull',
    'git request-pull a b',
    'git-push origin',
    'foo git push',
  ],
  ...[
    'git config alias.p push',
    'git config --global core.pager x',
    'git credential fill',
    'git maintenance start',
  ],
  ...['git hook run pre-commit', 'nice git config a.b c', 'uv run git config a.b c'],
])('git does not reach the network or its settings: %s', (command) => {
  expect(shell(command)).toBe('deny');
});

test.each([
  ...[
    'perdure approve 1',
    './perdure approve 1',
    '/usr/local/bin/perdure approve 1',
    'npx perdure approve 1',
  ],
  ...[
    'npx perdure@latest approve 1',
    'npx -p perdure perdure approve 1',
    'npm exec perdure approve 1',
    'npm x perdure',
  ],
  ...[
    'pnpm dlx perdure approve 1',
    'pnpm perdure approve 1',
    'yarn perdure approve 1',
    'bunx perdure approve 1',
  ],
  ...[
    './worker/perdure.mjs approve 1',
    'node worker/perdure.mjs approve 1',
    'node --import x ./worker/perdure.mjs x',
  ],
  ...[
    'node /opt/perdure/worker/perdure.mjs x',
    'deno run npm:perdure approve 1',
    'node node_modules/.bin/perdure x',
  ],
  ...[
    'node worker/perd*.mjs approve 1',
    './worker/perdure.mj?',
    'cp worker/perdure.mjs x',
    'ln -s worker/perdure.mjs p',
  ],
  ...['foo perdure approve 1', "sh -c 'perdure approve 1'", 'env perdure', 'timeout 5 perdure runs'],
])('the platform’s own command is for people: %s', (command) => {
  expect(shell(command, false)).toBe('deny');
});

test.each([
  ...[
    'npm run docker',
    'npm install gh',
    'npm test -- host',
    'npm run curl',
    'yarn add links',
    'pnpm -r build',
  ],
  ...[
    'pip install docker',
    'make docker',
    'cargo test dig',
    'go test ./http',
    'pytest -k mail',
    'tox -e http',
  ],
  ...[
    'npx vitest run mail',
    'uv run pytest -k curl',
    'poetry run pytest mail',
    'bundle exec rspec mail',
    'uv add xh',
  ],
  ...['python manage.py test mail', 'python manage.py migrate links host', 'node scripts/check.js docker x'],
  ...[
    'python -m pytest mail links',
    'python -m pip install docker',
    'echo curl x',
    'grep curl x',
    'cd docker',
  ],
  ...['mkdir docker', 'rm -rf docker', 'cp a docker', 'ls perdure', 'cat worker/perdure.mjs', 'git log curl'],
  ...["git commit -m 'Use curl https://x instead'", 'git rebase main', 'git bisect start', 'git remote -v'],
  ...[
    'git submodule status',
    'git grep curl',
    'find . -name curl',
    'find . -name docker -type d',
    'tsc -p docker',
  ],
  ...['./scripts/run.sh --fast', './publish.js x', 'npm ls http'],
])('words that are only data are nobody’s program: %s', (command) => {
  expect(shell(command)).toBe('allow');
});

test('looking through a long command takes no longer than it may', () => {
  const started = process.cpuUsage();
  const words = 'foo ab cd '.repeat(900);
  const decisions = [words, 'foo ab cd;'.repeat(290), `foo ${"'a b' ".repeat(200)}`].map((each) =>
    shell(each),
  );
  // A few hundred milliseconds of a processor; how long it stands still meanwhile says nothing.
  expect(process.cpuUsage(started).user / 1000).toBeLessThan(5000);
  expect(decisions).toEqual(['allow', 'allow', 'allow']);
});
