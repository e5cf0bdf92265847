// `perdure conversations`: which conversations there are, the latest activity first.
import { Command } from 'commander';
import { readPages } from '../pages.ts';
import { positiveInteger } from '../parse.ts';
import { toAge } from '../terminal/figures.ts';
import { shortId } from '../terminal/short-id.ts';
import { firstWords, tableOf } from '../terminal/table.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function conversationsCommand(cli: Cli): Command {
  return new Command('conversations')
    .addHelpText('after', exampleHelp('perdure conversations --limit 5'))
    .description('list the conversations, the latest activity first')
    .option('--limit <n>', 'so many at most', positiveInteger, 20)
    .option('--json')
    .action(async ({ limit, json }: { limit: number; json?: boolean }) => {
      const list = await readPages(limit, (page) => cli.client().conversations(page));
      if (json) return cli.output.json(list);
      if (list.items.length === 0) return cli.output.line('There are none.');
      const rows = list.items.map(({ id, lastActivityAt, activeRunId, title }) => [
        shortId(id),
        toAge(lastActivityAt),
        activeRunId && shortId(activeRunId),
        firstWords(title, cli.output.isTerminal ? 60 : 200),
      ]);
      cli.output.line(tableOf(cli.output, ['CONVERSATION', 'LAST', 'ACTIVE RUN', 'TITLE'], rows));
      if (list.nextCursor !== null)
        cli.output.remark(`There are more; these are the latest ${limit}: see --limit.`);
    });
}
