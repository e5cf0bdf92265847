import { expect, test } from 'vitest';
import type { Decision } from '../../../workflows/contracts/call.ts';
import { gitFolder, laterNames, secretNames } from '../../../workflows/policy/name-kinds.ts';
import { call, decide } from './decide.ts';

const permissive = 'headless-permissive-sandbox';
const working = ['headless-safe-sandbox', permissive];

function shell(command: string, attended = false): Decision {
  return decide(permissive, call('execute', command), { attended }).decision;
}

const secrets = [
  ...[
    '.env',
    '.env.production',
    '.env-staging',
    'prod.env',
    '.flaskenv',
    '.dev.vars',
    'api/.dev.vars',
    '.envrc',
  ],
  ...['secrets.yml', 'conf/secrets.yaml', 'secrets.json', 'secrets.toml', 'secret.json', 'x/secrets/token'],
  ...[
    'credentials.json',
    '.credentials.json',
    'service-account.json',
    'serviceAccountKey.json',
    'client_secret_1.json',
  ],
  ...[
    '.npmrc',
    '.pypirc',
    '.netrc',
    '_netrc',
    '.git-credentials',
    '.pgpass',
    '.my.cnf',
    '.htpasswd',
    '.s3cfg',
  ],
  ...['id_rsa', 'id_ed25519', 'id_rsa_work', 'id_ecdsa.bak', 'ssh_host_rsa_key', '.ssh/config', '.gnupg/x'],
  ...[
    'a.pem',
    'a.key',
    'a.p12',
    'a.pfx',
    'a.jks',
    'a.keystore',
    'a.ppk',
    'a.kdbx',
    'a.ovpn',
    'config/master.key',
  ],
  ...[
    '.aws/credentials',
    '.kube/config',
    '.docker/config.json',
    '.config/gcloud/x',
    '.azure/x',
    '.config/gh/hosts.yml',
  ],
  ...['prod.tfvars', 'a.auto.tfvars', 'prod.tfvars.json', 'terraform.tfstate', 'terraform.tfstate.backup'],
  ...['.vault-token', '.vault_pass', 'auth.json', '.bash_history', '.perdure/token', '.git/config'],
];
const later = [
  ...['.bashrc', 'home/.profile', '.zshenv', 'mise.toml', '.vimrc', '.gdbinit', '.config/fish/config.fish'],
  ...['.husky/pre-commit', '.husky', '.githooks/x', 'lefthook.yml', '.pre-commit-config.yaml', '.gitmodules'],
  ...['.gitattributes', '.gitconfig', '.lintstagedrc.json'],
  ...['.vscode/tasks.json', '.vscode/launch.json', '.vscode/settings.json', 'a.code-workspace'],
  ...[
    '.idea/runConfigurations/a.xml',
    '.devcontainer/devcontainer.json',
    '.devcontainer.json',
    '.gitpod.yml',
  ],
  ...['.github/workflows/ci.yml', '.github/actions/a/action.yml', '.gitlab-ci.yml', '.circleci/config.yml'],
  ...[
    'Jenkinsfile',
    'azure-pipelines.yml',
    'bitbucket-pipelines.yml',
    '.travis.yml',
    '.buildkite/pipeline.yml',
  ],
  ...[
    '.yarnrc.yml',
    '.pnpmfile.cjs',
    '.yarn/releases/yarn.cjs',
    'bunfig.toml',
    '.cargo/config.toml',
    'pip.conf',
  ],
  ...['.mcp.json', '.claude/settings.json', '.cursor/mcp.json', '.codex/config.toml'],
  ...['deploy/app.service', 'a.timer', 'etc/systemd/system/x', 'crontab', 'etc/cron.d/x'],
];
const honest = [
  ...[
    '.env.example',
    '.env.sample',
    '.env.template',
    '.dev.vars.example',
    'terraform.tfvars.example',
    'id_rsa.pub',
  ],
  ...[
    'src/env.ts',
    'src/secrets.ts',
    'src/auth.ts',
    'docs/credentials.md',
    'main.tf',
    'package.json',
    'Makefile',
  ],
  ...[
    'conftest.py',
    'pyproject.toml',
    'test/cart.test.ts',
    '.gitignore',
    '.editorconfig',
    '.eslintrc.json',
    'AGENTS.md',
  ],
  ...[
    '.github/CODEOWNERS',
    'Dockerfile',
    'compose.yml',
    'src/hooks/use-cart.ts',
    'src/user.service.ts',
    'model.pth',
  ],
];

test('every kind of names has examples that hold, and says why in a clause', () => {
  const kinds = [...secretNames, ...laterNames, gitFolder];
  expect(kinds.filter(({ why, examples }) => why === '' || examples.match.length === 0)).toEqual([]);
  // A profile can be copied, and a rule of a copy holds at most so many globs.
  expect(kinds.filter(({ names }) => names.length > 200)).toEqual([]);
});

/** Other ways to write the same path; a disk that takes no notice of case or of composed letters finds the same file. */
const spellings = (path: string): string[] => [
  ...[path, `./${path}`, `/project/${path}`, `src/../${path}`, `deep/down/${path}`, path.toUpperCase()],
  path.replace(/[sk]/g, (letter) => (letter === 's' ? 'ſ' : '\u212a')),
  `${path.slice(0, 2)}\u200b${path.slice(2)}`,
];

test('secrets are neither read nor written, however their names are spelled', () => {
  const open = secrets
    .flatMap(spellings)
    .flatMap((path) => [
      ...['plan-readonly', ...working].flatMap((id) =>
        decide(id, call('read', path)).decision === 'deny' ? [] : [`${id} read ${path}`],
      ),
      ...[...working, 'trusted-mount-autonomous'].flatMap((id) =>
        decide(id, call('write', path)).decision === 'deny' ? [] : [`${id} write ${path}`],
      ),
    ]);
  expect(open).toEqual([]);
});

test('writing what runs later is asked about, refused where nobody is there, and reading it is not', () => {
  const wrong = [...later, 'sitecustomize.py', 'x/site-packages/a.pth'].flatMap(spellings).flatMap((path) =>
    working.flatMap((id) => {
      const decisions = [
        decide(id, call('write', path)).decision,
        decide(id, call('write', path), { attended: false }).decision,
        decide(id, call('read', path)).decision,
      ];
      return decisions.join() === 'ask,deny,allow' ? [] : [`${id} ${path}: ${decisions.join()}`];
    }),
  );
  expect(wrong).toEqual([]);
  expect(
    later.filter((path) => decide('trusted-mount-autonomous', call('write', path)).decision !== 'allow'),
  ).toEqual([]);
});

test('what an agent is asked to write is written, and the reason says which kind a name is of', () => {
  expect(
    honest.filter((path) => working.some((id) => decide(id, call('write', path)).decision !== 'allow')),
  ).toEqual([]);
  expect(decide(permissive, call('write', '.husky/pre-commit')).reason).toBe(
    'git runs or obeys it, or a tool puts it into git’s hooks, so a person decides about each change',
  );
});

const readers = [
  'cat NAME',
  'grep x NAME',
  'head -5 ./NAME',
  'git show HEAD:NAME',
  'git log -p -- NAME',
  'wc < NAME',
];
const writers = [
  'cp a NAME',
  'tee ./NAME',
  'mv a /project/NAME',
  'sed -i s/a/b/ NAME',
  'foo --out=NAME',
  'rm NAME',
];

test('a command that names a secret is refused, whatever it does with it', () => {
  const forms = [
    ...readers,
    ...writers,
    'find . -name NAME',
    'rg x -g NAME',
    'echo x > NAME',
    'f=NAME; cat $f',
  ];
  expect(
    secrets
      .flatMap((name) => forms.map((form) => form.replace('NAME', name)))
      .filter((each) => shell(each) !== 'deny'),
  ).toEqual([]);
});

test('a command that names what runs later only looks at it, or a person decides', () => {
  const told = (form: string) => later.map((name) => form.replace('NAME', name));
  expect(
    readers
      .filter((form) => !form.includes('<'))
      .flatMap(told)
      .filter((each) => shell(each) !== 'allow'),
  ).toEqual([]);
  expect([...writers, 'echo x > NAME'].flatMap(told).filter((each) => shell(each, true) !== 'ask')).toEqual(
    [],
  );
  expect(writers.flatMap(told).filter((each) => shell(each) !== 'deny')).toEqual([]);
});

test('what is forbidden anyway stays so when it names what runs later', () => {
  expect([
    shell('curl https://example.org -o .husky/pre-commit', true),
    decide('headless-safe-sandbox', call('execute', 'cp a .husky/pre-commit')).decision,
  ]).toEqual(['deny', 'deny']);
});

test('commands about what an agent is asked to write are allowed', () => {
  const forms = readers.concat(writers);
  expect(
    honest
      .flatMap((name) => forms.map((form) => form.replace('NAME', name)))
      .filter((each) => shell(each) !== 'allow'),
  ).toEqual([]);
});

test.each([
  ...[
    "rg x -g '.env*'",
    "rg x --glob='.e*'",
    "grep -r x . --include='.env.*'",
    "find . -name '.env*'",
    "rg -g'id_*' x",
  ],
  ...[
    'cat .en$x',
    'cat ".e$x"',
    'cat .en$(x)',
    'cp x .hus$y/pre-commit',
    'cat .g$x/config',
    'cp x .hus*/pre-commit',
  ],
])('a name of which only a part is written is not allowed: %s', (command) => {
  expect(shell(command)).toBe('deny');
});

test.each([
  ...[
    "rg x -g '*.ts'",
    "find . -name '*.json'",
    "grep -rn x . --include='*.yml'",
    "find . -name 'test_*.py'",
  ],
  ...['cat ./$x', 'cat src/cart$i.ts', 'npm test -- "$f"', 'cat .eslint$x', 'black *.py', 'ls src/*.ts'],
])('a part of a name that spells no forbidden one is not in the way: %s', (command) => {
  expect(shell(command)).toBe('allow');
});
