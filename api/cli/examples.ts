// An example for each command, shown at the end of its help.
import type { Command } from 'commander';

const examples: Record<string, string> = {
  run: 'perdure run "Make the failing test pass."\n  git diff | perdure run - --quiet > review.md',
  watch: 'perdure watch last',
  runs: 'perdure runs --active --project .',
  show: 'perdure show last',
  conversations: 'perdure conversations --limit 5',
  status: 'perdure status',
  steer: 'perdure steer last "Leave the lockfile as it is."',
  interrupt: 'perdure interrupt last',
  cancel: 'perdure cancel 9b1fe2c4',
  allowances: 'perdure allowances tenant --set dayCostMicros=50000000 --reason "a long night"',
  usage: 'perdure usage --by model',
  approvals: 'perdure approvals --run last',
  approve: 'perdure approve last --remember run',
  deny: 'perdure deny last --note "Not on this branch."',
  diff: 'perdure diff last | git apply',
  settle: 'perdure settle last 3.0 done',
  models: 'perdure models',
  policies: 'perdure policies',
  'dead-letters': 'perdure dead-letters',
  'dead-letters retry': 'perdure dead-letters retry last',
  'dead-letters drop': 'perdure dead-letters drop last',
  tokens: 'perdure tokens',
  'tokens list': 'perdure tokens list --all',
  'tokens create': 'perdure tokens create ci --expires-in-days 90 > ci.token',
  'tokens revoke': 'perdure tokens revoke ci',
  'tokens remake': 'perdure tokens remake',
  prune: 'perdure prune --dry-run',
  delete: 'perdure delete run 9b1fe2c4',
  demo: 'perdure demo',
  help: 'perdure help tokens create',
  'install-command': 'perdure install-command --folder ~/bin',
  serve: 'perdure serve --port 8080',
  logs: 'perdure logs -f --errors',
  config: 'perdure config',
  db: 'perdure db current',
};

/** Adds its example to the help of a command, found by its words. */
export function addExample(command: Command, words: string): Command {
  const example = examples[words];
  return example === undefined ? command : command.addHelpText('after', `\nExample:\n  ${example}`);
}
