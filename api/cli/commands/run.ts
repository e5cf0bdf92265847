// `perdure run`: starts a run and shows it until it ends.
import { Command, Option } from 'commander';
import { type AttachOptions, attached, withAttach } from '../attach.ts';
import { sayingFilesStay } from '../continued.ts';
import { exitCodes } from '../exit-codes.ts';
import { readPrompt } from '../prompt-source.ts';
import { type Shown, type Start, startAndShow, withShown } from '../start-and-show.ts';
import { startOptions, type StartOptions, toBody, withConversation } from '../start-options.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';

const notes = `
Without --project it works in this directory, when the server is on this machine. With --conversation or
--continue it keeps the directory, preset, model, policy and limits of the run before it, unless an option says
otherwise.

Without --attended or --no-attended a run is attended when both stdin and stdout are a terminal and --quiet is not given.
What it waits for is then asked here, unless --json or --detach is given; \`perdure approve\` and \`perdure deny\` answer
from anywhere.
Ctrl-C once interrupts the run; a second time leaves it running.`;

type RunOptions = StartOptions & Shown & AttachOptions;

export function runCommand(cli: Cli): Command {
  const command = new Command('run')
    .addHelpText(
      'after',
      exampleHelp(
        'perdure run "Make the failing test pass."\n  git diff | perdure run - --quiet > review.md',
      ),
    )
    .description('start a run and show it until it ends')
    .argument('[prompt]', 'what the agent is to do; - reads it from stdin, up to Ctrl-D at a terminal');
  return withShown(startOptions(withAttach(command)))
    .addOption(
      new Option('--when-busy <what>', 'when the conversation has an active run').choices([
        'reject',
        'queue',
        'steer',
        'interrupt',
      ]),
    )
    .addHelpText('after', notes)
    .action(async (given: string | undefined, options: RunOptions) => {
      const { stdin, terminal, output } = cli;
      const prompt = await readPrompt(given, { stdin, remark: output.remark, ...(terminal && { terminal }) });
      if (prompt === undefined) return cli.exitWith(exitCodes.left);
      const parts = await attached(cli, options);
      const body = { ...toBody(cli, prompt, await withConversation(cli, options)), ...parts };
      const start: Start = (client, signal) => client.startRun(body, signal);
      const goesBack = body.fromRunId !== undefined;
      const said = goesBack ? sayingFilesStay(cli, body.project, start) : start;
      cli.exitWith(await startAndShow(cli, said, options));
    });
}
