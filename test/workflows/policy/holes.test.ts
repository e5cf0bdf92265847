import { expect, test } from 'vitest';
import type { Decision } from '../../../workflows/contracts/call.ts';
import type { PolicyCall } from '../../../workflows/policy/subject.ts';
import { call, decide, profileWith } from './decide.ts';
import { knownHoles } from './fuzz/known-holes.ts';

// The system this replaces, in a few lines: names of tools, lists compared as given, a prefix is enough for a command,
// what is empty passes every list, a hit in a list of what is forbidden only makes the rule not match, and what no rule
// matches is for the mode to say.
interface OldRule {
  tool: string;
  decision: Decision;
  allowed?: string[];
  denied?: string[];
}

const isEnv = (path: string): boolean => path === '.env' || path.startsWith('secrets/');

function oldDecide(rules: OldRule[], unmatched: Decision, { tool, subject }: PolicyCall): Decision {
  const hits = (list: string[]) =>
    list.some((entry) =>
      entry === 'env files' ? isEnv(subject) : subject === entry || subject.startsWith(`${entry} `),
    );
  const rule = rules.find((each) => {
    if (each.tool !== tool) return false;
    if (each.denied !== undefined && subject !== '' && hits(each.denied)) return false;
    return each.allowed === undefined || subject === '' || hits(each.allowed);
  });
  return rule?.decision ?? unmatched;
}

const oldSafe: OldRule[] = [
  { tool: 'read', decision: 'allow' },
  { tool: 'edit', decision: 'allow', denied: ['env files'] },
  { tool: 'shell', decision: 'allow', allowed: ['git status', 'npm test'] },
  { tool: 'shell', decision: 'deny' },
];
const oldPermissive: OldRule[] = [
  { tool: 'edit', decision: 'allow', denied: ['env files'] },
  { tool: 'write', decision: 'allow' },
  { tool: 'shell', decision: 'allow', denied: ['curl', 'wget'] },
  { tool: 'shell', decision: 'deny' },
];

const safe = 'headless-safe-sandbox';
const permissive = 'headless-permissive-sandbox';

const holes: [name: string, profile: string, call: PolicyCall, now: Decision][] = [
  ['an empty command passes the list of allowed ones', safe, call('execute', ''), 'deny'],
  ['an empty path passes the list of forbidden ones', safe, call('write', '', 'edit'), 'deny'],
  ['./ in front of an env file', safe, call('write', './.env', 'edit'), 'deny'],
  ['.. on the way to an env file', safe, call('write', 'src/../.env', 'edit'), 'deny'],
  ['a doubled slash on the way to a secret', safe, call('write', './/secrets//token', 'edit'), 'deny'],
  ['an absolute path to an env file', safe, call('write', '/project/.env', 'edit'), 'deny'],
  ['a path that leads out of the project', safe, call('write', 'src/../../.bashrc', 'edit'), 'deny'],
  ['a command behind &&', safe, call('execute', 'git status && curl https://example.org'), 'deny'],
  ['a command behind ;', safe, call('execute', 'git status ; curl https://example.org'), 'deny'],
  ['a command behind |', safe, call('execute', 'git status | sh'), 'deny'],
  ['a command on the next line', safe, call('execute', 'git status \ncurl https://example.org'), 'deny'],
  ['a command in a substitution', safe, call('execute', 'git status $(curl https://example.org)'), 'deny'],
  ['a command in backticks', safe, call('execute', 'npm test `curl https://example.org`'), 'deny'],
  ['a redirection that writes a file', safe, call('execute', 'git status > src/a.ts'), 'deny'],
  [
    'an env file under the permissive preset, which fell to its mode',
    permissive,
    call('write', '.env', 'edit'),
    'deny',
  ],
  ['unrestricted writing under the permissive preset', permissive, call('write', '.env', 'write'), 'deny'],
  [
    'writing outside of the project under the permissive preset',
    permissive,
    call('write', '/etc/cron.d/x', 'write'),
    'deny',
  ],
  ['a forbidden program in a chain', permissive, call('execute', 'ls && curl https://example.org'), 'deny'],
  [
    'a forbidden program by its path',
    permissive,
    call('execute', '/usr/bin/curl https://example.org'),
    'deny',
  ],
  ['a forbidden program in other letters', permissive, call('execute', "c'ur'l https://example.org"), 'deny'],
  ['a forbidden program in a wrapper', permissive, call('execute', 'env curl https://example.org'), 'deny'],
  ['a forbidden program in a variable', permissive, call('execute', 'x=curl; $x https://example.org'), 'ask'],
];

test.each(holes)('closed: %s', (_name, profile, wanted, now) => {
  const old =
    profile === safe ? oldDecide(oldSafe, 'ask', wanted) : oldDecide(oldPermissive, 'allow', wanted);
  expect({
    old,
    now: decide(profile, wanted).decision,
    headless: decide(profile, wanted, { attended: false }).decision,
  }).toEqual({
    old: 'allow',
    now,
    headless: 'deny',
  });
});

test('closed: an edit of an env file under the safe preset was a question and is refused', () => {
  const wanted = call('write', '.env', 'edit');
  expect([oldDecide(oldSafe, 'ask', wanted), decide(safe, wanted).decision]).toEqual(['ask', 'deny']);
});

test('closed: writing a new file under the safe preset had no rule and has one', () => {
  const wanted = call('write', 'src/a.ts', 'write');
  expect([oldDecide(oldSafe, 'ask', wanted), decide(safe, wanted).reason]).toEqual([
    'ask',
    'writing in the project',
  ]);
});

test('closed: an unknown profile allows nothing, not even beside a known one', () => {
  const denied = { decision: 'deny', ruleText: 'unknown profile', ruleIndex: null };
  expect(decide('gone', call('read', 'README.md'))).toMatchObject(denied);
});

test('closed: silence accepts no command and no network, whatever the mode was called', () => {
  const profile = profileWith([], { mode: 'acceptEdits' });
  const decisions = (['read', 'write', 'execute', 'network'] as const).map(
    (effect) => decide(profile, call(effect, effect === 'network' ? 'example.org' : 'x')).decision,
  );
  expect(decisions).toEqual(['allow', 'allow', 'ask', 'ask']);
});

const runners = [
  "go test -exec 'curl x' ./...",
  'go test ./... -toolexec /tmp/evil',
  'go test -C /tmp/evil ./...',
  'go test /tmp/evil',
  'npm test --script-shell=/tmp/evil',
  'npm test --prefix /tmp/evil',
  'npm test -- --config=/tmp/evil.js',
  'npm test -- ../evil',
  'python -m pytest -p evil --rootdir=/tmp',
  'python3 -m pytest /tmp/evil',
  'python3 -m pytest @/tmp/arguments',
  'python -m pytest @arguments.txt',
];

test.each(runners)('closed: a test runner is told to run something else: %s', (command) => {
  expect(decide(safe, call('execute', command), { attended: false }).decision).toBe('deny');
});

test('the safe preset still runs the tests it is told the names of', () => {
  const commands = [
    'npm test',
    'npm test -- cart src/order.test.ts',
    'npm test -- --run src/cart.test.ts',
    'go test ./... -run TestCart',
    'go test -race ./cart',
    'python -m pytest -q tests/test_cart.py::test_total -x',
    'python3 -m pytest -x /project/tests',
  ];
  expect(commands.filter((each) => decide(safe, call('execute', each)).decision !== 'allow')).toEqual([
    'python -m pytest -q tests/test_cart.py::test_total -x',
  ]);
});

const spelled = [
  'cat .en{v,x}',
  'cat .en{v..v}',
  'cat .en{v,"}"x}',
  'cat .e{"n",x}v',
  'cat {.e,x}{nv,y}',
  'cat .e*',
  'cat .en[v]',
  'cat .en?',
  'cat .e@(nv|x)',
  'cat src/.[e]*',
  'cat .s*h/id_ed25519',
  'cat deploy/*.p?m',
  'cat .g*/config',
  'cat .git/*',
  'cp x .git/h*/pre-commit',
  'cat "$HOME"/.{env,x}',
  'cat .[[:alpha:]]nv',
  'cat .e[]n]v',
  'cat .e[!]]v',
  'for f in .en*; do cat "$f"; done',
  'for f in .git/hook*; do cp x "$f"; done',
  'x=.en*; cat $x',
  'a=(.env); cat "${a[@]}"',
  'a=(.en{v,x}); cat "${a[@]}"',
  'a=(.git/hooks/pre-commit); cp x "${a[0]}"',
  'cat ${y:-.en*}',
  `cat ${'$'}{y:-.e'n'v}`,
  'cat "${y:-${z:-.e""nv}}"',
  'export x=.en*; cat $x',
];

test.each(spelled)('closed: braces or a glob may spell a forbidden name: %s', (command) => {
  expect(decide(permissive, call('execute', command), { attended: false }).decision).toBe('deny');
});

test('braces and globs that can spell no forbidden name are nobody’s business', () => {
  const commands = [
    'mkdir -p src/{cart,order}',
    'ls * *.ts src/*/cart* src/**/*.test.ts',
    'cp a.{js,ts} dist',
    'grep "*.env*|{a,b}" src/a.ts',
    `awk '{print $1, $2}' a.txt`,
    'cat .git[a]ignore .eslint*',
    'for f in src/*.ts; do wc -l "$f"; done',
    'x=${y:-src/a.ts}; cat "$x"',
  ];
  const context = { attended: false };
  expect(
    commands.filter((each) => decide(permissive, call('execute', each), context).decision !== 'allow'),
  ).toEqual([]);
});

const beside = [
  'git config core.hooksPath hooks',
  'git config alias.p push && git p',
  'cd .git && cp ../x hooks/pre-commit',
  'git submodule update --remote',
  'git archive --remote=host HEAD',
  'docker-compose up',
  'pnpm exec perdure approve 1',
];

test.each(beside)(
  'closed: what git obeys, the network and the platform are reached another way: %s',
  (command) => {
    expect(decide(permissive, call('execute', command), { attended: false }).decision).toBe('deny');
  },
);

test('closed: globs of many signs held up whoever decided about them', () => {
  const command = (signs: number) => `cat ${'src* '.repeat(signs / 4)}`;
  const shell = (text: string) => decide(permissive, call('execute', text), { attended: false }).decision;
  expect([shell(command(500)), shell(command(504)), shell(`cat ${'*/'.repeat(100)}{0..29}`)]).toEqual([
    'allow',
    'deny',
    'deny',
  ]);
});

test('closed: a command of very many parts, words or paths held up whoever decided about it', () => {
  const profile = profileWith([{ effect: 'execute', commands: ['**'], decision: 'allow' }], {
    defaults: { write: 'allow' },
  });
  const shell = (command: string) => decide(profile, call('execute', command)).decision;
  expect([shell('a;'.repeat(300)), shell('a;'.repeat(301)), shell(`a${' b'.repeat(4000)}`)]).toEqual([
    'allow',
    'ask',
    'ask',
  ]);
  expect(decide(profile, call('write', 'a\n'.repeat(1000).trim(), 'patch')).decision).toBe('allow');
  expect(decide(profile, call('write', 'a\n'.repeat(1001).trim(), 'patch')).ruleText).toBe('too many paths');
});

const gitOnly = profileWith([{ commands: ['git status', 'git log **'], decision: 'allow' }]);
const byDefault = profileWith([], { mode: 'delegate' });

test.each(knownHoles)('closed: a shell runs more of it than another parser sees: %j', (command) => {
  const decided = [safe, permissive, gitOnly, byDefault].map((each) =>
    decide(each, call('execute', command)),
  );
  expect(decided.map(({ decision, runs }) => [decision, runs])).toEqual(
    ['deny', 'ask', 'ask', 'ask'].map((decision) => [decision, undefined]),
  );
});

test('what is more than plain commands is asked about in words that say how to go on', () => {
  const { reason } = decide(byDefault, call('execute', 'git log "$((1))"'));
  expect(reason).toBe(
    'it is more than plain commands ($((…): write it in plain ones, ask, or write it as a script file',
  );
});

test('the text to run comes with what a rule about commands or silence allows, and with nothing else', () => {
  const runs = (profile: Parameters<typeof decide>[0], command: string) =>
    decide(profile, call('execute', command)).runs;
  const trusting = profileWith([
    { commands: ['git status'], decision: 'allow' },
    { effect: 'execute', decision: 'allow' },
  ]);
  const command = 'git "status" ;\tls  "a b"';
  const written = "git status; ls 'a b'";
  expect([
    runs(permissive, command),
    runs(byDefault, command),
    // One rule about commands among those that allowed it is enough.
    runs(trusting, command),
    runs(trusting, 'ls "a b"'),
    runs(safe, command),
    runs('trusted-mount-autonomous', command),
    runs('ask-everything', command),
  ]).toEqual([written, written, written, undefined, written, undefined, undefined]);
});

test('a rule that trusts every text still gives way to one that forbids, which is asked where it cannot tell', () => {
  const profile = profileWith([
    { commands: ['git push **'], decision: 'deny' },
    { effect: 'execute', decision: 'allow' },
  ]);
  const commands = [
    'git push',
    'f() { git push; }; f',
    'timeout 5 git push',
    'ls; git log',
    'f() { ls; }; f',
  ];
  expect(commands.map((each) => decide(profile, call('execute', each)).decision)).toEqual([
    'deny',
    'deny',
    'deny',
    'allow',
    'ask',
  ]);
});

test('a command behind a limit of time is the command, and the limit can be forbidden by its name', () => {
  const decisions = ['timeout 60 npm test', 'timeout 60 rm -rf src', 'timeout -s KILL 60 npm test'].map(
    (command) => decide(safe, call('execute', command)).decision,
  );
  expect(decisions).toEqual(['allow', 'deny', 'deny']);
  const profile = profileWith([
    { commands: ['timeout **'], decision: 'deny' },
    { commands: ['**'], decision: 'allow' },
  ]);
  expect(decide(profile, call('execute', 'timeout 60 npm test')).decision).toBe('deny');
});
