// `perdure memory`: what agents and people keep for the later runs of a conversation or of a preset.
import { Command } from 'commander';
import { idHelp, idOf } from '../known-by.ts';
import { readPages } from '../pages.ts';
import { positiveInteger } from '../parse.ts';
import { UsageError } from '../server.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { toAge } from '../terminal/figures.ts';
import { printableLine } from '../terminal/printable.ts';
import { shortId } from '../terminal/short-id.ts';
import { tableOf } from '../terminal/table.ts';
import type { Cli } from '../surroundings.ts';

interface Keepers {
  conversation?: string;
  preset?: string;
}

interface ListOptions extends Keepers {
  find?: string;
  limit: number;
  json?: boolean;
}

export function memoryCommand(cli: Cli): Command {
  const command = new Command('memory')
    .addHelpText('after', exampleHelp('perdure memory'))
    .description('list, add and delete what agents and people keep for later runs');
  command.addCommand(
    ofKeeper(new Command('list'))
      .addHelpText('after', exampleHelp('perdure memory list --preset reviewer --find rounding'))
      .description('list what is kept, newest first')
      .option('--find <words>', 'only what has one of these words, the best match first')
      .option('--limit <n>', 'so many at most', positiveInteger, 50)
      .option('--json')
      .action((options: ListOptions) => list(cli, options)),
    { isDefault: true },
  );
  command.addCommand(
    ofKeeper(new Command('add'))
      .addHelpText('after', exampleHelp('perdure memory add "Amounts are integers." --preset reviewer'))
      .description('keep a text for the later runs of a conversation or of a preset')
      .argument('<text>', 'at most 2,000 characters; no secrets')
      .option('--json')
      .action(async (text: string, options: Keepers & { json?: boolean }) => {
        const { conversationId, preset } = await keepersOf(cli, options);
        if ((conversationId === undefined) === (preset === undefined))
          throw new UsageError('Say whose later runs are told of it: --conversation or --preset.');
        const keeper = conversationId === undefined ? { preset: preset ?? '' } : { conversationId };
        const kept = await cli.client().addMemory({ ...keeper, text });
        if (options.json) cli.output.json(kept);
        else cli.output.line(`Kept as ${kept.id}.`);
      }),
  );
  return command.addCommand(
    new Command('delete')
      .addHelpText('after', exampleHelp('perdure memory delete 0198f3a2-7c41-7d10-9b4e-3a5f6c7d8e9f'))
      .description('delete a text, for good')
      .argument('<id>', 'as `perdure memory` prints it')
      .action(async (id: string) => {
        await cli.client().deleteMemory(id);
        cli.output.line('Deleted.');
      }),
  );
}

function ofKeeper(command: Command): Command {
  return command
    .option('--conversation <id>', idHelp('conversation').replace('the conversation', 'of this conversation'))
    .option('--preset <name>', 'of this preset');
}

async function keepersOf(
  cli: Cli,
  { conversation, preset }: Keepers,
): Promise<{ conversationId?: string; preset?: string }> {
  return {
    ...(conversation !== undefined && { conversationId: await idOf(cli, conversation, 'conversation') }),
    ...(preset !== undefined && { preset }),
  };
}

async function list(cli: Cli, { find, limit, json, ...options }: ListOptions): Promise<void> {
  const asked = { ...(await keepersOf(cli, options)), ...(find !== undefined && { find }) };
  const found = await readPages(limit, (page) => cli.client().memory({ ...page, ...asked }));
  if (json) return cli.output.json(found);
  if (found.items.length === 0) return cli.output.line('Nothing is kept.');
  const rows = found.items.map(({ id, scope, key, createdAt, text }) => [
    id,
    scope === 'preset' ? `preset ${key}` : `conversation ${shortId(key)}`,
    toAge(createdAt),
    printableLine(text, 200),
  ]);
  cli.output.line(tableOf(cli.output, ['ID', 'OF', 'WHEN', 'TEXT'], rows));
  if (found.nextCursor !== null)
    cli.output.remark(`There is more; these are the newest ${limit}: see --limit.`);
}
