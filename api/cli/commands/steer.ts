// `perdure steer`: says something to a run that is under way; it is heard before the next model call.
import { Command } from 'commander';
import { type AttachOptions, attached, withAttach } from '../attach.ts';
import { sayReceipt } from '../terminal/receipt.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

interface SteerOptions extends AttachOptions {
  messageId?: string;
  json?: boolean;
}

export function steerCommand(cli: Cli): Command {
  return withAttach(new Command('steer'))
    .addHelpText('after', exampleHelp('perdure steer last "Leave the lockfile as it is."'))
    .description('say something to a run that is under way')
    .argument('<run>', idHelp('run'))
    .argument('<text>', 'what to say')
    .option('--message-id <id>', 'your own id for this message: sent twice with one id, it is applied once')
    .option('--json')
    .action(async (given: string, text: string, options: SteerOptions) => {
      const { messageId } = options;
      const runId = await idOf(cli, given, 'run');
      const parts = await attached(cli, options);
      const body = { text, ...parts, ...(messageId !== undefined && { messageId }) };
      const receipt = await cli.client().steer(runId, body);
      sayReceipt(cli, receipt, 'heard before its next model call', options.json);
    });
}
