// `perdure policies`: which profiles a run may name, and what each requires of the sandbox.
import { Command } from 'commander';
import { tableOf } from '../terminal/table.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function policiesCommand(cli: Cli): Command {
  return new Command('policies')
    .addHelpText('after', exampleHelp('perdure policies'))
    .description('list the policy profiles and what they require of the sandbox')
    .option('--json')
    .action(async (options: { json?: boolean }) => {
      const list = await cli.client().policies({ limit: 200 });
      if (options.json) return cli.output.json(list);
      const rows = list.items.map(({ id, version, builtIn, requires, name }) => [
        ...[id, version, builtIn ? 'built in' : 'own', requires ?? '-', name],
      ]);
      cli.output.line(tableOf(cli.output, ['POLICY', 'VERSION', 'WHOSE', 'REQUIRES', 'NAME'], rows));
      if (list.nextCursor !== null) cli.output.remark('There are more; these are the first 200.');
    });
}
