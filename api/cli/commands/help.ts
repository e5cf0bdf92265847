// `perdure help COMMAND`: the same as `perdure COMMAND --help`, and a sentence for a command that is not there.
import { Command } from 'commander';
import { exampleHelp } from '../terminal/example-help.ts';
import { UsageError } from '../server.ts';

/** Looks among the commands of the program it is added to. */
export function helpCommand(program: Command): Command {
  return new Command('help')
    .addHelpText('after', exampleHelp('perdure help tokens create'))
    .description('show the help of a command')
    .argument('[command...]', 'its words, such as tokens create')
    .action((words: string[]) => {
      const command = words.reduce((above, word) => {
        const found = above.commands.find((each) => each.name() === word);
        if (found === undefined)
          throw new UsageError(`There is no command "${words.join(' ')}"; \`perdure help\` lists them all.`);
        return found;
      }, program);
      command.outputHelp();
    });
}
