// `perdure settle`: records what really happened in a call whose outcome is unknown.
import { Argument, Command } from 'commander';
import type { SettleBody } from '../../../workflows/contracts/call.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function settleCommand(cli: Cli): Command {
  return new Command('settle')
    .addHelpText('after', exampleHelp('perdure settle last 3.0 done'))
    .description('say what really happened in a call whose outcome is unknown')
    .argument('<run>', idHelp('run'))
    .argument('<call>', 'the id of the call, such as 3.0')
    .addArgument(new Argument('<outcome>').choices(['done', 'not_done']))
    .option('--output <text>', 'what the tool would have answered; given to the model')
    .option('--json')
    .action(async (given: string, callId: string, outcome: SettleBody['outcome'], options: SettleOptions) => {
      const { output, json } = options;
      const call = await cli
        .client()
        .settle(await idOf(cli, given, 'run'), callId, { outcome, ...(output !== undefined && { output }) });
      if (json) cli.output.json(call);
      else cli.output.line(`call ${callId} is settled as ${outcome}`);
    });
}

interface SettleOptions {
  output?: string;
  json?: boolean;
}
