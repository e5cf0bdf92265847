// `perdure diff`: what a run changed in its project, as a git diff.
import { Command } from 'commander';
import type { Output } from '../terminal/output.ts';
import { printable } from '../terminal/printable.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function diffCommand(cli: Cli): Command {
  return new Command('diff')
    .addHelpText('after', exampleHelp('perdure diff last | git apply'))
    .description('show what a run changed in its project')
    .argument('<run>', idHelp('run'))
    .option('--json')
    .addHelpText(
      'after',
      '\nInto a pipe or a file the diff is written exactly as it is, so that `git apply` takes it.',
    )
    .action(async (given: string, options: { json?: boolean }) => {
      const view = await cli.client().diff(await idOf(cli, given, 'run'));
      if (options.json) return cli.output.json(view);
      showDiff(cli.output, view.diff);
      if (view.diff === '') cli.output.remark('The run changed nothing.');
      if (view.truncated)
        cli.output.remark('The diff is longer than the server sends; this is its beginning.');
    });
}

export function showDiff(output: Output, diff: string): void {
  if (!output.isTerminal) return output.write(diff);
  const { colors } = output;
  for (const line of printable(diff).trimEnd().split('\n')) {
    if (/^(\+\+\+|---|diff |index )/.test(line)) output.line(colors.bold(line));
    else if (line.startsWith('+')) output.line(colors.green(line));
    else if (line.startsWith('-')) output.line(colors.red(line));
    else if (line.startsWith('@@')) output.line(colors.cyan(line));
    else output.line(line);
  }
}
