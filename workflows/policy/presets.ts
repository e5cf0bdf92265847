// The profiles that are always there. Data: what they say is in their rules, read from the top, the first that matches
// decides. They cannot be changed or deleted; who wants another one clones it.
import type { PolicyProfile, PolicyRule } from '../contracts/policy.ts';
import type { EffectiveLimits } from '../contracts/run.ts';
import { forbiddenCommands } from './forbidden-commands.ts';
import { lookCommands, withArguments } from './look-commands.ts';
import { gitFolder, laterNames, type NameKind, secretNames } from './name-kinds.ts';
import { testCommands } from './test-commands.ts';

/** Raised with every change to a built-in profile, so that a stored decision tells which text it went by. */
export const builtInVersion = 3;

/** For runs that name none, where none applies to their project or everywhere. */
export const defaultProfile = 'headless-safe-sandbox';

/** Allows every command and requires nothing of the sandbox: the only one, and it says so. */
export const trustedProfile = 'trusted-mount-autonomous';

/** One rule for each kind of names, so that a decision says which kind it was. */
function rulesAbout(
  kinds: readonly NameKind[],
  rule: Pick<PolicyRule, 'decision' | 'effect'>,
  reason: (why: string) => string,
): PolicyRule[] {
  return kinds.map(({ why, names, examples, onlyWrites }) => ({
    ...(onlyWrites && { effect: 'write' }),
    ...rule,
    paths: [...names],
    reason: reason(why),
    examples,
  }));
}

const noSecrets = rulesAbout(
  secretNames,
  { decision: 'deny' },
  (why) => `${why}, and what is read goes to the provider of the model; ask a person for what you need of it`,
);

const noSecretWrites = rulesAbout(
  secretNames,
  { effect: 'write', decision: 'deny' },
  (why) => `${why}; a person writes it by hand`,
);

const decidedByPeople = (why: string) => `${why}, so a person decides about each change`;
const askAboutLater = rulesAbout(laterNames, { decision: 'ask' }, decidedByPeople);
const askAboutLaterWrites = rulesAbout(laterNames, { effect: 'write', decision: 'ask' }, decidedByPeople);

const noGitFolder = rulesAbout([gitFolder], { decision: 'deny' }, (why) => why);

const readProject: PolicyRule = { effect: 'read', decision: 'allow', reason: 'reading in the project' };
const writeProject: PolicyRule = { effect: 'write', decision: 'allow', reason: 'writing in the project' };

// The forms are written out: git's options can read any file (--no-index) and write one (--output), and those of test
// runners can name another program to run (-exec, -p, --script-shell). What remains: the tests are programs of the
// project, which the agent may write, and so are the settings of their runners.
const lookAndTest: PolicyRule = {
  effect: 'execute',
  commands: [
    ...withArguments('git status', ['', '-s', '--short', '--porcelain']),
    ...withArguments('git diff', ['', '*', '--stat', '--stat *', '--name-only', '--name-status']),
    ...withArguments('git diff', ['-- *', 'HEAD -- *']),
    ...withArguments('git diff --staged', ['', '--stat', '-- *']),
    ...withArguments('git diff --cached', ['', '--stat', '-- *']),
    ...withArguments('git log', ['', '*', '--oneline', '--oneline *', '--stat', '-- *', '--oneline -- *']),
    ...withArguments('git log', ['-n *', '--oneline -n *', '--stat -n *', '-p -n *']),
    ...testCommands,
  ],
  decision: 'allow',
  reason: 'looking at git and running the tests',
  examples: {
    match: [
      'git status',
      'git diff src/a.ts && npm test',
      'go test ./... -run TestCart',
      'python -m pytest -q 2>&1',
      'npm test -- cart src/order',
    ],
    noMatch: [
      ...[
        'git status; rm -rf .',
        'git status\nid',
        'git status $(id)',
        'git diff --output=x',
        'git push',
        'npm test > log',
      ],
      ...["go test -exec 'curl x' ./...", 'npm test --script-shell=/tmp/x', 'npm test --prefix /tmp/x'],
      ...['python -m pytest -p x --rootdir=/tmp', 'python3 -m pytest /tmp/x', 'npm test -- ../x'],
      ...['git -c core.pager=id log', 'PATH=. git status', 'npm testing', 'sh -c "npm test"', './git status'],
    ],
  },
};

const noOtherCommands: PolicyRule = {
  effect: 'execute',
  decision: 'deny',
  reason:
    'only looking at git (status, diff, log) and running the tests, with few options, is allowed, one command at a time ' +
    'or in a chain',
};

const lookAtFiles: PolicyRule = {
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
    noMatch: ['cat a > .envrc', 'find .husky -exec rm {} +', 'git diff --output=.envrc', 'tee .envrc'],
  },
};

const understoodCommands: PolicyRule = {
  effect: 'execute',
  commands: ['**'],
  decision: 'allow',
  reason: 'any command that can be looked through',
  examples: {
    match: ['make build && ./run --fast', 'grep -rn "$PATTERN" src | head -5'],
    noMatch: ['eval "$x"', 'bash script.sh', 'echo x > src/a.ts', 'LD_PRELOAD=x ls', 'ls | xargs rm'],
  },
};

export const builtInProfiles: readonly PolicyProfile[] = [
  {
    id: 'plan-readonly',
    name: 'Plan, read only',
    description: 'Looks at the project and changes nothing: no writing, no commands, no network, no secrets.',
    mode: 'plan',
    rules: [...noSecrets, readProject],
    limits: { steps: 30, seconds: 300, costMicros: 1_000_000 },
    // Reading is no progress, so a run that may only read would always seem to stall.
    stall: null,
  },
  {
    id: 'headless-safe-sandbox',
    name: 'Headless, safe',
    description:
      'For runs nobody watches: reads and writes in the project but for secrets and git’s own files, runs its tests ' +
      'and looks at git. Every other command and the network are refused.',
    mode: 'default',
    rules: [
      ...noSecrets,
      readProject,
      ...noGitFolder,
      lookAndTest,
      ...askAboutLaterWrites,
      writeProject,
      noOtherCommands,
    ],
    limits: { steps: 50, seconds: 600, costMicros: 5_000_000 },
    // Ten steps of reading before the first change are ordinary, and being asked to plan anew costs one step. What gets
    // nowhere ends after thirty of its fifty steps.
    stall: { steps: 10, replans: 2 },
    gates: { tests: true, lint: true, rollback: true },
  },
  {
    id: 'headless-permissive-sandbox',
    name: 'Headless, permissive',
    description:
      'For larger work in a sandbox: reads and writes in the project but for secrets and git’s own files, runs every ' +
      'command that can be looked through except programs made to reach into the network. Package managers, which ' +
      'load and run what others wrote, and the project’s own code are not among those. Its lists stop accidents: what ' +
      'holds is the sandbox, and one that contains is required.',
    requires: 'containment',
    mode: 'acceptEdits',
    rules: [
      ...noSecrets,
      readProject,
      lookAtFiles,
      ...noGitFolder,
      ...forbiddenCommands,
      ...askAboutLater,
      writeProject,
      understoodCommands,
    ],
    limits: { steps: 100, seconds: 1800, costMicros: 20_000_000 },
    // Ten steps of reading before the first change are ordinary, and being asked to plan anew costs one step. What gets
    // nowhere ends after thirty of its hundred steps.
    stall: { steps: 10, replans: 2 },
    gates: { tests: true, lint: false, rollback: false },
  },
  {
    id: trustedProfile,
    name: 'Trusted, autonomous',
    description:
      'Allows every tool in the project directory but for writing files that may hold secrets. It contains nothing and ' +
      'requires nothing that does: in mount a shell reaches what its user can, also the token’s file.',
    mode: 'acceptEdits',
    rules: [...noSecretWrites, { decision: 'allow' }],
    // Generous for a long piece of work, small enough that a forgotten run ends within an hour and 50 dollars.
    limits: { steps: 200, seconds: 3600, costMicros: 50_000_000, tokens: 50_000_000 },
    // As above: the same failing call is not to be paid for two hundred times.
    stall: { steps: 10, replans: 2 },
  },
  {
    id: 'ask-everything',
    name: 'Ask about everything',
    description: 'Asks a person before every call that reaches the project, a command or the network.',
    mode: 'default',
    rules: [{ decision: 'ask', reason: 'this profile asks about everything' }],
    limits: { steps: 50, seconds: 600, costMicros: 5_000_000 },
    // The person who answers sees whether it gets anywhere.
    stall: null,
  },
];

export function findProfile(id: string): PolicyProfile | undefined {
  return builtInProfiles.find((profile) => profile.id === id);
}

/** A profile's limits as a run carries them. */
export function toRunLimits(profile: PolicyProfile): EffectiveLimits {
  const { limits } = profile;
  // Where tokens are not limited, money is; a token for each micro-dollar is what the cheapest models cost.
  return { ...limits, tokens: limits.tokens ?? limits.costMicros };
}
