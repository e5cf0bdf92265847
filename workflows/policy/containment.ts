// What a profile requires of the sandbox. A list of what is forbidden is no wall: an agent that may start any program
// no rule names can reach all that its user can. So a profile that allows by default always requires containment.
import type { PolicyProfile, PolicyRule } from '../contracts/policy.ts';
import { modeDefaults } from './evaluate.ts';
import { trustedProfile } from './presets.ts';
import { ruleText } from './rule-text.ts';

/** The one tool that runs the commands it is given; rules may name it in place of the effect. */
export const commandTool = 'shell';

/** What of the profile allows commands that no rule names, in words; undefined when nothing does. */
export function allowsByDefault(profile: PolicyProfile): string | undefined {
  for (const [index, rule] of profile.rules.entries()) {
    if (!isAboutEveryCommand(rule)) continue;
    if (rule.decision === 'allow') return `rules[${index}] (${ruleText(rule)})`;
    // It decides every command from here on, unless it ends one day.
    if (rule.expiresAt === undefined) return undefined;
  }
  const { mode, defaults } = profile;
  // Plan mode denies what its defaults allow.
  if (mode === 'plan' || (defaults?.execute ?? modeDefaults[mode].execute) !== 'allow') return undefined;
  return defaults?.execute === 'allow' ? 'defaults.execute' : `mode ${mode}`;
}

function isAboutEveryCommand({ tool, effect, paths, commands, readingCommands, hosts }: PolicyRule): boolean {
  if (tool !== undefined && tool !== commandTool) return false;
  if (effect !== undefined && effect !== 'execute') return false;
  // What names paths or hosts matches no command, or not every one.
  if (paths !== undefined || hosts !== undefined || readingCommands) return false;
  return commands === undefined || commands.some(isAnyCommand);
}

/** What stands for any rest comes last, so it is all of such a pattern. Every start asks this of every rule. */
function isAnyCommand(pattern: string): boolean {
  return pattern.trim() === '**';
}

/** Why runs under this profile need a sandbox that contains, in words; undefined when they do not. */
export function whyContained(profile: PolicyProfile): string | undefined {
  if (profile.id === trustedProfile) return undefined;
  const open = allowsByDefault(profile);
  if (open !== undefined) return `it allows commands that no rule names, by ${open}`;
  return profile.requires === undefined ? undefined : 'it says so';
}

/** The profile as it is stored: one that allows by default says what it requires. */
export function withRequirement(profile: PolicyProfile): PolicyProfile {
  return whyContained(profile) === undefined ? profile : { ...profile, requires: 'containment' };
}
