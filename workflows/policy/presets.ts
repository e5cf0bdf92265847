// The profiles that are always there. Data: what they say is in their rules, read from the top, the first that matches
// decides. They cannot be changed or deleted; a person who wants another one clones it.
import type { PolicyProfile, PolicyRule } from '../contracts/policy.ts';
import type { EffectiveLimits } from '../contracts/run.ts';
import {
  lookAtFiles,
  noOtherCommands,
  runChecks,
  runReadingCommands,
  runTests,
  understoodCommands,
} from './command-rules.ts';
import { forbiddenCommands } from './forbidden-commands.ts';
import { gitFolder, laterNames, type NameKind, secretNames } from './name-kinds.ts';

/** Raised with every change to a built-in profile, so that a stored decision tells which text it went by. */
export const builtInVersion = 4;

/** For runs that name no profile, and to which none applies: without a person to ask, and with one. */
export const defaultProfile = 'headless-safe-sandbox';
export const defaultAttendedProfile = 'ask-before-changes';

export function defaultProfileOf({ attended = false }: { attended?: boolean | undefined }): string {
  return attended ? defaultAttendedProfile : defaultProfile;
}

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

const askAboutWriting: PolicyRule = { effect: 'write', decision: 'ask', reason: 'it changes a file' };
const askAboutCommands: PolicyRule = {
  effect: 'execute',
  decision: 'ask',
  reason: 'it is not known to read only',
};

// An hour of work beside a person, who sees whether it gets anywhere.
const attendedLimits: Pick<PolicyProfile, 'limits' | 'stall'> = {
  limits: { steps: 100, seconds: 3600, costMicros: 5_000_000 },
  stall: null,
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
    id: defaultProfile,
    name: 'Headless, safe',
    description:
      'For runs without a person: reads and writes in the project but for secrets and git’s own files, runs commands ' +
      'that only read, its tests and its scripts that build and check. Other commands and the network are refused.',
    mode: 'default',
    rules: [
      ...noSecrets,
      readProject,
      runReadingCommands,
      ...noGitFolder,
      runTests,
      runChecks,
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
    id: defaultAttendedProfile,
    name: 'Ask before changes',
    description:
      'For work with a person beside it: reads in the project and runs commands that only read, but for secrets. Asks ' +
      'before it writes a file, runs any other command or reaches into the network.',
    mode: 'default',
    rules: [
      ...noSecrets,
      readProject,
      runReadingCommands,
      ...noGitFolder,
      ...askAboutLater,
      askAboutWriting,
      askAboutCommands,
    ],
    ...attendedLimits,
  },
  {
    id: 'accept-edits',
    name: 'Accept edits',
    description:
      'For work with a person beside it: reads and writes in the project and runs commands that only read, but for ' +
      'secrets and git’s own files. Asks before any other command, the network, and files that run later by themselves.',
    mode: 'default',
    rules: [
      ...noSecrets,
      readProject,
      runReadingCommands,
      ...noGitFolder,
      ...askAboutLater,
      writeProject,
      askAboutCommands,
    ],
    ...attendedLimits,
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
      runReadingCommands,
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
