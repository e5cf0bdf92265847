// `perdure prune`: shows what is past its time, and removes it.
import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import type { PruningView, RetentionRowView } from '../../../workflows/contracts/retention.ts';
import { exitCodes } from '../exit-codes.ts';
import { age } from '../parse.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';
import { confirmed } from '../terminal/confirm.ts';
import { toSize } from '../terminal/figures.ts';
import { tableOf } from '../terminal/table.ts';

interface PruneOptions {
  dryRun?: boolean;
  olderThan?: number;
  runs?: boolean;
  yes?: boolean;
  json?: boolean;
}

// It is carried out a slice every five seconds.
const lookMs = 1000;

export function pruneCommand(cli: Cli): Command {
  return new Command('prune')
    .addHelpText('after', exampleHelp('perdure prune --dry-run'))
    .description('remove what is past its time, as every night does')
    .option('--dry-run', 'only show what is kept how long, and what would go now')
    .option('--older-than <age>', 'in place of the settings, such as 30d, 12h or 8w', age)
    .option('--runs', 'finished runs themselves too; with --older-than')
    .option('--yes', 'do not ask')
    .option('--json')
    .addHelpText('after', '\nThe settings are PERDURE_RETENTION_…; `perdure config` shows them.')
    .action(async ({ dryRun, olderThan, runs, yes, json }: PruneOptions) => {
      const asked = {
        ...(olderThan !== undefined && { olderThanSeconds: olderThan }),
        ...(runs && { runs }),
      };
      const client = cli.client();
      const plan = await client.prunePlan(asked);
      if (dryRun) return json ? cli.output.json(plan) : cli.output.line(planTable(cli, plan.items));
      const going = plan.items.filter(({ goes }) => goes !== null && goes.rows > 0);
      if (!json) cli.output.line(planTable(cli, going.length > 0 ? going : plan.items));
      if (going.length === 0 && !json) return cli.output.line('There is nothing to remove.');
      if (!(await confirmed(cli, 'Remove it for good?', yes))) {
        cli.output.remark('Nothing was removed.');
        return cli.exitWith(exitCodes.failed);
      }
      const done = await untilFinished(cli, await client.prune(asked));
      if (json) return cli.output.json(done);
      cli.output.line(removedTable(cli, done));
    });
}

async function untilFinished(cli: Cli, asked: PruningView): Promise<PruningView> {
  let pruning = asked;
  cli.output.remark(`Pruning ${pruning.id}; it goes on by itself if you leave.`);
  while (pruning.finishedAt === null) {
    await pause(lookMs);
    pruning = await cli.client().pruning(pruning.id);
  }
  return pruning;
}

function planTable(cli: Cli, items: RetentionRowView[]): string {
  const rows = items.map(({ name, what, kept, goes, setting }) => [
    name,
    kept,
    goes === null ? '' : `${goes.rows.toLocaleString('en')}${goes.more ? ' or more' : ''}`,
    goes === null || goes.rows === 0 ? '' : toSize(goes.bytes),
    cli.output.columns < 110 ? (setting ?? '') : what,
  ]);
  const last = cli.output.columns < 110 ? 'SETTING' : 'WHAT';
  return tableOf(cli.output, ['NAME', 'KEPT', 'WOULD GO', 'SIZE', last], rows);
}

function removedTable(cli: Cli, { items }: PruningView): string {
  const rows = items
    .filter((item) => item.rows > 0)
    .map(({ name, rows: count, bytes }) => [name, count.toLocaleString('en'), toSize(bytes)]);
  return rows.length === 0
    ? 'Nothing was left to remove.'
    : tableOf(cli.output, ['REMOVED', 'ROWS', 'SIZE'], rows);
}
