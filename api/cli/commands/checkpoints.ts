// `perdure checkpoints`: what a run did to its project, call by call.
import { Command } from 'commander';
import type { CheckpointView } from '../../../workflows/contracts/checkpoint.ts';
import { idHelp, idOf } from '../known-by.ts';
import { UsageError } from '../server.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { toAge } from '../terminal/figures.ts';
import { tableOf } from '../terminal/table.ts';
import { showDiff } from './diff.ts';

export function checkpointsCommand(cli: Cli): Command {
  return new Command('checkpoints')
    .addHelpText('after', exampleHelp('perdure checkpoints last --diff 3'))
    .description('list the points of a run that its project can be brought back to')
    .argument('<run>', idHelp('run'))
    .option('--diff <number>', 'show what the call of this checkpoint changed')
    .option('--json')
    .addHelpText(
      'after',
      '\nThere is one before each call that may write. What commands do to ignored files is not recorded, and of files\n' +
        'above 50 MB only that they changed.',
    )
    .action(async (given: string, { diff, json }: { diff?: string; json?: boolean }) => {
      const runId = await idOf(cli, given, 'run');
      if (diff !== undefined) {
        const view = await cli.client().checkpointDiff(runId, numberOf(diff));
        if (json) return cli.output.json(view);
        showDiff(cli.output, view.diff);
        if (view.diff === '') cli.output.remark('The call changed nothing.');
        return;
      }
      const items = await allCheckpoints(cli, runId);
      if (json) return cli.output.json({ items });
      if (items.length === 0) return cli.output.line('The run has made no call that may write.');
      const rows = items.map((item) => [
        item.number,
        changeOf(item),
        toAge(item.at),
        item.tool ?? 'rewind',
        item.subject,
      ]);
      cli.output.line(tableOf(cli.output, ['N', 'CHANGED', 'WHEN', 'TOOL', 'ON'], rows));
    });
}

function changeOf({ tree, changed }: CheckpointView): string {
  if (tree === null) return 'not recorded';
  return changed === null ? '?' : changed ? 'yes' : 'no';
}

/** In order. */
export async function allCheckpoints(cli: Cli, runId: string): Promise<CheckpointView[]> {
  const items: CheckpointView[] = [];
  let cursor: string | undefined;
  do {
    const page = await cli
      .client()
      .checkpoints(runId, { limit: 200, ...(cursor !== undefined && { cursor }) });
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

export function numberOf(given: string): number {
  if (/^[1-9]\d{0,5}$/.test(given)) return Number(given);
  throw new UsageError(`"${given}" is no number of a checkpoint; \`perdure checkpoints RUN\` lists them.`);
}
