// The rules of a policy profile as sentences, in the order in which they are read.
import type { Decision, Effect } from '../../../workflows/contracts/call.ts';
import type { PolicyMode, PolicyProfile, PolicyRule } from '../../../workflows/contracts/policy.ts';
import { toDollars, toDuration } from './figures.ts';

const verbs: Record<Decision, string> = { allow: 'Allows', ask: 'Asks about', deny: 'Denies' };
const effects: Record<Effect, string> = {
  read: 'reading',
  write: 'writing',
  execute: 'commands',
  network: 'reaching into the network',
};
// The YAML file names all of them.
const mostNamed = 4;

export function ruleSentence(rule: PolicyRule): string {
  const { tool, effect, paths, commands, readingCommands, hosts, decision, reason, expiresAt } = rule;
  const what =
    tool === undefined ? (effect === undefined ? 'every call' : effects[effect]) : `the tool ${tool}`;
  const about = readingCommands ? 'commands that only read' : what;
  const lists = [
    paths && ` of files named ${some(paths)}`,
    commands && ` such as ${some(commands)}`,
    hosts && ` at ${some(hosts)}`,
  ];
  const until = expiresAt === undefined ? '' : `, until ${expiresAt}`;
  const why = reason === undefined ? '' : `: ${reason}`;
  return `${verbs[decision]} ${about}${lists.filter(Boolean).join('')}${until}${why}.`;
}

function some(names: readonly string[]): string {
  const more = names.length - mostNamed;
  return `${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

const byMode: Record<PolicyMode, string> = {
  plan: 'it is denied, and so is all that is not reading',
  default: 'it is asked about',
  acceptEdits: 'reading and writing are allowed, all else is asked about',
  delegate: 'it is allowed, but for reaching into the network, which is asked about',
};

/** What counts where no rule matches, and what a run under the profile may use. */
export function profileSentences({ mode, defaults = {}, limits, requires }: PolicyProfile): string[] {
  const others = Object.entries(defaults).map(
    ([effect, decision]) => `; ${effects[effect as Effect]}: ${decision}`,
  );
  return [
    `What no rule matches: ${byMode[mode]}${others.join('')}. Without a person to answer, what is asked about is denied.`,
    `A run may take ${limits.steps} steps, ${toDuration(limits.seconds * 1000)} and ${toDollars(limits.costMicros)}.`,
    ...(requires === undefined ? [] : ['It requires a sandbox that contains what a command can reach.']),
  ];
}
