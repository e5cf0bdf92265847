// `perdure usage`: what model calls have used, by run, conversation, model, project or day.
import { Command, Option } from 'commander';
import type { UsageBy, UsageView } from '../../../workflows/contracts/allowance.ts';
import { toDollars } from '../terminal/figures.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';
import { exampleHelp } from '../terminal/example-help.ts';
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
    .addHelpText('after', exampleHelp('perdure usage --by model'))
    .description('show what was used, and what it cost')
    .addOption(new Option('--by <what>').choices(ways).default('day'))
    .option('--from <day>', 'from this UTC day on, such as 2026-01-05; thirty days without it')
    .option('--to <day>', 'to this UTC day, which is included')
    .option('--json')
    .action(async ({ by, from, to, json }: UsageOptions) => {
      const range = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
      const usage = await cli.client().usage({ by, limit: most, ...range });
      if (json) return cli.output.json(usage);
      if (usage.items.length === 0) {
        cli.output.line('Nothing was used.');
        return remark(cli, usage);
      }
      const rows = usage.items.map((row) => [
        row.key === null ? 'none' : by === 'run' || by === 'conversation' ? shortId(row.key) : row.key,
        row.calls,
        row.inputTokens.toLocaleString('en'),
        row.cachedInputTokens.toLocaleString('en'),
        row.outputTokens.toLocaleString('en'),
        toDollars(row.costMicros),
        row.estimatedCostMicros === 0 ? '' : toDollars(row.estimatedCostMicros),
      ]);
      const head = [by.toUpperCase(), 'CALLS', 'TOKENS IN', 'CACHED', 'OUT', 'COST', 'ESTIMATED'];
      cli.output.line(tableOf(cli.output, head, rows));
      if (usage.items.length === most) cli.output.remark(`There may be more; these are the first ${most}.`);
      remark(cli, usage);
    });
}

/** Costs that are estimated, that may be added, or only held. */
function remark({ output }: Cli, { items, held }: UsageView): void {
  const sum = (of: 'ceilingCostMicros' | 'estimatedCostMicros' | 'possibleCostMicros'): number =>
    items.reduce((total, item) => total + item[of], 0);
  const atCeiling = sum('ceilingCostMicros');
  if (atCeiling > 0)
    output.line(
      `${toDollars(atCeiling)} of it is no bill: nobody knows the price of the model, so it is estimated\n` +
        'at a ceiling. PERDURE_PRICES gives prices, for calls from then on.',
    );
  const possible = sum('possibleCostMicros');
  if (possible > 0)
    output.line(
      `Up to ${toDollars(possible)} more is possible: a worker died in a call, whose cost is estimated.`,
    );
  if (held.costMicros > 0)
    output.line(`Held for calls under way, and not spent: ${toDollars(held.costMicros)}.`);
}
