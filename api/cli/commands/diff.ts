// `perdure diff`: what a run changed in its project, as a git diff.
import { Command } from 'commander';
import type { Output } from '../terminal/output.ts';
import { plural } from '../terminal/figures.ts';
import { printable, printableLine } from '../terminal/printable.ts';
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
      const runId = await idOf(cli, given, 'run');
      if (options.json) return cli.output.json(await cli.client().diff(runId));
      await showDiffOf(cli, runId);
    });
}

export async function showDiffOf(cli: Cli, runId: string): Promise<void> {
  const view = await cli.client().diff(runId);
  showDiff(cli.output, view.diff);
  if (view.diff === '') cli.output.remark('The run changed nothing.');
  if (view.others.length > 0)
    cli.output.remark(
      `Others changed ${plural(view.others.length, 'file')} meanwhile: ${namesOf(view.others)}`,
    );
  if (view.truncated) cli.output.remark('The diff is longer than the server sends; this is its beginning.');
}

// As many names as are read at a glance.
const mostNames = 8;

function namesOf(files: readonly { path: string }[]): string {
  const names = files.slice(0, mostNames).map(({ path }) => printableLine(path, 100));
  return names.join(', ') + (files.length > mostNames ? ', …' : '');
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
