// `perdure models`: which model providers there are, and what is missing to use one.
import { Command } from 'commander';
import type { ModelView } from '../../../workflows/contracts/system.ts';
import { tableOf } from '../terminal/table.ts';
import { printableLine } from '../terminal/printable.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function modelsCommand(cli: Cli): Command {
  return new Command('models')
    .addHelpText('after', exampleHelp('perdure models'))
    .description('list the model providers and what is missing to use one')
    .option('--json')
    .action(async (options: { json?: boolean }) => {
      const list = await cli.client().models();
      if (options.json) return cli.output.json(list);
      const rows = list.items.map((item) => [
        item.provider,
        toState(item),
        item.configured ? (item.profile?.name ?? '') : '',
        item.models.slice(0, 3).join(' '),
      ]);
      cli.output.line(tableOf(cli.output, ['PROVIDER', 'STATE', 'PROFILE', 'MODELS'], rows));
      for (const item of list.items) for (const line of toReasons(item)) cli.output.line(line);
      cli.output.line(`\nDefault: ${printableLine(list.default, 200)}`);
      const scripted = list.items.some(
        (item) => item.scripted && list.default.startsWith(`${item.provider}/`),
      );
      if (scripted)
        cli.output.line('It follows a script and is no real model: set one of the variables above for one.');
    });
}

/** Why its requests look as they do, where the provider alone does not say it. */
function toReasons({ provider, configured, profile }: ModelView): string[] {
  if (!configured || profile === null) return [];
  const others = Object.entries(profile.byModel).map(
    ([model, name]) => `Profile of ${printableLine(model, 100)}: ${name}, by the configuration`,
  );
  const own = profile.name === provider || profile.why === 'its own API';
  return [...(own ? [] : [`Profile of ${provider}: ${profile.name}, ${profile.why}`]), ...others];
}

function toState(item: ModelView): string {
  if (item.configured) return 'configured';
  return item.missing === null ? 'not configured' : `set ${item.missing}`;
}
