// `perdure ask`: a side question, answered beside the work.
import { Command } from 'commander';
import { type FollowOptions, followStarted } from '../follow-started.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function askCommand(cli: Cli): Command {
  return new Command('ask')
    .addHelpText('after', exampleHelp('perdure ask last "Which files have you changed?"'))
    .description('ask a side question: what is answered leaves nothing in the conversation')
    .argument('<conversation>', idHelp('conversation'))
    .argument('<prompt>', 'what to ask')
    .option('--detach', 'return as soon as it is accepted')
    .option('--json', 'one event a line as JSON')
    .addHelpText('after', '\nCtrl-C leaves the run that answers running.')
    .action(async (given: string, prompt: string, options: FollowOptions) => {
      const id = await idOf(cli, given, 'conversation');
      const { id: runId } = await cli.client().ask(id, { prompt });
      cli.exitWith(await followStarted(cli, runId, options));
    });
}
