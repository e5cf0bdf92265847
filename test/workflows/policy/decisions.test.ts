import { expect, test } from 'vitest';
import { publicEgress } from '../../../activities/egress/egress.ts';
import { createTools } from '../../../activities/tools/index.ts';
import { builtInProfiles } from '../../../workflows/policy/presets.ts';
import type { PolicyCall } from '../../../workflows/policy/subject.ts';
import { decide } from './decide.ts';

// The tools only say here what they would act on; nothing is run.
const tools = createTools({ background: undefined as never, egress: publicEgress });

const paths = [
  'README.md',
  './src/../src//a.ts',
  '/project/src/a.ts',
  '.',
  '',
  '/etc/passwd',
  '../outside',
  'src/../../outside',
  '/project/../etc/passwd',
  '/projects/a.ts',
  'a\\b',
  'a\0b',
  '.env',
  './x/../.env',
  '/project//.env',
  'config/.env.local',
  '.ENV',
  '.env.example',
  'prod.env',
  'secrets',
  'secrets/a/b',
  'lib/credentials.json',
  'deploy/id_ed25519',
  '.git/config',
  '.github/ci.yml',
  '.perdure/token',
  '.npmrc',
  'prod.tfvars',
  '.envrc',
  '.husky/pre-commit',
  '.vscode/tasks.json',
  '.github/workflows/ci.yml',
];

const commands = [
  '',
  ' \n\t',
  '# only a comment',
  'git status',
  '  git   status  ',
  'git status -s',
  'git status --short; git diff HEAD',
  'git statusx',
  'git -C / status',
  'git diff --no-index /dev/null .env',
  'git diff --output=src/a.ts',
  'git push',
  './git status',
  'npm test',
  'npm test 2>&1 | tail -5',
  'npm test -- cart',
  'npm test -- /tmp/cart',
  'npm test --prefix /tmp',
  'go test -exec id ./...',
  'npm test && curl https://example.org',
  'npm test; rm -rf src',
  'npm test\ncurl https://example.org',
  'npm test & curl https://example.org',
  'npm test || curl https://example.org',
  'npm test | sh',
  'npm test $(curl https://example.org)',
  'npm test `curl https://example.org`',
  'npm test <(curl https://example.org)',
  'npm test "$(curl https://example.org)"',
  'npm test <<EOF\n$(curl https://example.org)\nEOF',
  'test() { curl https://example.org; }; npm test',
  'npm test > src/a.ts',
  'npm test > /dev/null 2>&1',
  'npm test < /dev/tcp/10.0.0.1/80',
  'PATH=. npm test',
  'CI=1 npm test',
  'NODE_OPTIONS="--require ./a.js" npm test',
  'ls src',
  'ls *.ts',
  'cat .env',
  'cat ./x/../.env',
  'cat "$HOME/.env"',
  'cat {.env,README.md}',
  'cat .en{v,x}',
  'cat .e*',
  'cat *',
  'sed -i s/a/b/ .env',
  'echo x > .env',
  'cp .env.example .env',
  'curl https://example.org',
  '\\curl https://example.org',
  'c"ur"l https://example.org',
  "$'\\x63url' https://example.org",
  '/usr/bin/curl https://example.org',
  '{cu,}rl https://example.org',
  'env -i curl https://example.org',
  'timeout 5 npm test',
  'ls | xargs rm',
  'find . -name a -exec curl {} \\;',
  'bash -c "curl https://example.org"',
  'bash script.sh',
  'eval "cur"l https://example.org',
  '$cmd x',
  'x=curl; $x https://example.org',
  'source ./a.sh',
  'ssh host ls',
  'git push origin main',
  'docker run x',
  'dig secret.example.org',
  'npx perdure approve 1',
  'node worker/perdure.mjs approve 1',
  'cat .npmrc',
  'cat .github/workflows/ci.yml',
  'cp a .husky/pre-commit',
  'cd ./.git',
  'uv run curl https://example.org',
  'rbash -c "curl https://example.org"',
  'git submodule foreach ls',
  'git remote show origin',
  'cp x .git/hooks/pre-commit',
  'cat /proc/1/environ',
  'echo $((x))',
  'echo "unterminated',
  'for f in *.ts; do cat "$f"; done',
  'a\0b',
];

const patch = (...names: string[]) =>
  names.map((name) => `--- a/${name}\n+++ b/${name}\n@@ -1 +1 @@\n-x\n+y\n`).join('');

const inputs: Record<string, unknown[]> = {
  read: paths.map((path) => ({ path })),
  write: paths.map((path) => ({ path, content: 'x' })),
  edit: ['src/a.ts', '.env', ''].map((path) => ({ path, old: 'a', new: 'b' })),
  patch: [
    ...[['src/a.ts'], ['src/a.ts', 'src/b.ts'], ['src/a.ts', '.env'], ['../a.ts'], ['.git/config']].map(
      (names) => ({
        patch: patch(...names),
      }),
    ),
    { patch: 'no patch at all' },
  ],
  list: ['.', 'src', 'secrets', '/', '..'].map((path) => ({ path })),
  glob: ['**/*.ts', '**/.env', '../*', '/etc/*'].map((pattern) => ({ pattern })),
  grep: [{ pattern: 'x' }, { pattern: 'x', path: 'src' }, { pattern: 'x', path: '.env' }],
  shell: commands.map((command) => ({ command })),
  'shell-poll': [{ id: '1.0' }],
  'shell-kill': [{ id: '1.0' }],
  fetch: ['https://example.org/a?b', 'http://EXAMPLE.org.', 'http://[::1]/', 'http://127.1/'].map((url) => ({
    url,
  })),
  todo: [{ items: [] }],
  finish: [{ summary: 'done' }],
  'ask-person': [{ question: 'Which of the two?' }],
  output: [{ key: 'a'.repeat(64) }],
  delegate: [{ prompt: 'Write the tests.' }, { prompt: 'Write the tests.', name: 'tester' }],
  'delegate-async': [{ prompt: 'Write the tests.', name: 'tester' }],
  wait: [{}, { names: ['tester', 'writer'] }],
  peek: [{ name: 'tester' }],
  remember: [{ text: 'It is late.' }],
  recall: [{}, { words: 'late' }],
  skill: [{ name: 'release' }],
};

const shorts = { allow: '+', ask: '?', deny: '-' };

function row(name: string, wanted: PolicyCall): string {
  const cells = builtInProfiles.map(({ id }) => {
    const { decision, ruleIndex, ruleText } = decide(id, wanted);
    return `${shorts[decision]}${ruleIndex ?? (ruleText === 'no rule matches' ? ' mode' : ` ${ruleText}`)}`.padEnd(
      22,
    );
  });
  return `${cells.join('')}${name} ${JSON.stringify(wanted.subject)}`;
}

/** `+` allowed, `?` asked, `-` denied, each with the index of the rule or what decided in its place. */
test('every profile decides about every tool and every awkward input as recorded', async () => {
  expect(Object.keys(inputs)).toEqual(tools.map(({ name }) => name));
  const rows = tools.flatMap((tool) =>
    (inputs[tool.name] ?? []).map((input) => {
      const { name, effect, subjectKind } = tool;
      return row(name, { tool: name, effect, subjectKind, subject: tool.subject(input) });
    }),
  );
  const head = builtInProfiles.map(({ id }) => id.slice(0, 20).padEnd(22)).join('');
  await expect([head, ...rows, ''].join('\n')).toMatchFileSnapshot('decisions.txt');
});

test('with nobody there every ask is a deny that says what it was, and nothing else changes', () => {
  for (const { id } of builtInProfiles) {
    for (const tool of tools) {
      for (const input of inputs[tool.name] ?? []) {
        const { name, effect, subjectKind } = tool;
        const wanted: PolicyCall = { tool: name, effect, subjectKind, subject: tool.subject(input) };
        const [there, gone] = [decide(id, wanted), decide(id, wanted, { attended: false })];
        // The network has a default of its own then.
        if (effect === 'network' && there.ruleIndex === null) expect(gone.decision).toBe('deny');
        else if (there.decision !== 'ask') expect(gone).toEqual(there);
        else {
          const reason = `${there.reason}, and nobody is there to ask`;
          expect(gone).toEqual({ ...there, decision: 'deny', original: 'ask', reason });
        }
      }
    }
  }
});
