// `perdure usage`: what model calls have used, by run, conversation, model, project or day.
import { Command, Option } from 'commander';
import type { UsageBy, UsageView } from '../../../workflows/contracts/allowance.ts';
import { toDollars } from '../terminal/figures.ts';
import { tableOf } from '../terminal/output.ts';
import type { Cli } from '../surroundings.ts';

const ways = ['day', 'model', 'run', 'conversation', 'project'] as const satisfies readonly UsageBy[];
// What a terminal can still be scrolled through; the API gives no more at once.
const most = 200;

interface UsageOptions {
  by: UsageBy;
  from?: string;
  to?: string;
  json?: boolean;
}

export function usageCommand(cli: Cli): Command {
  return new Command('usage')
    .description('show what was used, and what it cost')
    .addOption(new Option('--by <what>').choices(ways).default('day'))
    .option('--from <day>', 'from this UTC day on, such as 2026-01-05; thirty days without it')
    .option('--to <day>', 'to this UTC day, which is included')
    .option('--json')
    .action(async ({ by, from, to, json }: UsageOptions) => {
      const range = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
      const usage = await cli.client().usage({ by, limit: most, ...range });
      if (json) return cli.output.json(usage);
      if (usage.items.length === 0) return cli.output.line('Nothing was used.');
      const rows = usage.items.map((row) => [
        row.key ?? 'none',
        row.calls,
        row.inputTokens.toLocaleString('en'),
        row.cachedInputTokens.toLocaleString('en'),
        row.outputTokens.toLocaleString('en'),
        toDollars(row.costMicros),
        row.estimatedCostMicros === 0 ? '' : toDollars(row.estimatedCostMicros),
      ]);
      const head = [by.toUpperCase(), 'CALLS', 'TOKENS IN', 'CACHED', 'OUT', 'COST', 'ESTIMATED'];
      cli.output.line(tableOf(cli.output, head, rows));
      sayPossible(cli, usage.items);
      if (usage.items.length === most) cli.output.remark(`There may be more; these are the first ${most}.`);
    });
}

/** Of calls whose worker died nobody knows what they cost: the most that may come on top is said, and no bill. */
function sayPossible({ output }: Cli, items: UsageView['items']): void {
  const sum = (of: 'estimatedCostMicros' | 'possibleCostMicros'): number =>
    items.reduce((total, item) => total + item[of], 0);
  const possible = sum('possibleCostMicros');
  if (possible === 0) return;
  const estimated = toDollars(sum('estimatedCostMicros'));
  output.line(`Estimated ${estimated}, up to ${toDollars(possible)} more possible: a worker died in a call.`);
}
