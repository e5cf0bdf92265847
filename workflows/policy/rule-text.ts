// A rule on one line, as decisions quote it.
import type { PolicyRule } from '../contracts/policy.ts';

// Fits a line of a log and a column of a page; the rule itself is a click away.
const longest = 160;

export function ruleText(rule: PolicyRule): string {
  const reading = rule.readingCommands ? ['reading commands'] : [];
  const lists = [...(rule.paths ?? []), ...(rule.commands ?? []), ...reading, ...(rule.hosts ?? [])];
  const what = rule.tool ?? rule.effect ?? 'anything';
  return cutRule(`${rule.decision} ${what}${lists.length === 0 ? '' : `: ${lists.join(', ')}`}`);
}

export function cutRule(text: string): string {
  if (text.length <= longest) return text;
  // Not in the middle of a surrogate pair: such a text could not be stored.
  return `${text
    .slice(0, longest - 2)
    .toWellFormed()
    .replace(/\uFFFD$/, '')} …`;
}
