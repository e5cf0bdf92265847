// `perdure chat`: a conversation in the terminal, with a line to type in below what the agent does.
import { Command } from 'commander';
import { chat } from '../chat/chat.ts';
import { helpOfChat } from '../chat/words.ts';
import { UsageError } from '../server.ts';
import { startOptions, type StartOptions, toBody, withConversation } from '../start-options.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';

const notes = `
${helpOfChat}

The options are for its first message; those that follow keep what the run before had. Lines go into
~/.local/state/perdure/chat-history, but for those that begin with a space.`;

export function chatCommand(cli: Cli): Command {
  const command = new Command('chat')
    .addHelpText('after', exampleHelp('perdure chat --continue'))
    .description('talk with an agent in this terminal: steer it, answer it, stop it, go on');
  return startOptions(command)
    .addHelpText('after', notes)
    .action(async (options: StartOptions) => {
      const { terminal } = cli;
      if (!terminal) {
        throw new UsageError(
          'A chat needs a terminal at both ends: without one, `perdure run -` takes a prompt from stdin.',
        );
      }
      const chosen = await withConversation(cli, options);
      const { prompt: _, conversationId, ...first } = toBody(cli, '', { ...chosen, attended: true });
      cli.exitWith(await chat({ cli, terminal, first, conversationId }));
    });
}
