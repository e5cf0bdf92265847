// `perdure fork` begins a conversation of its own from a run; `perdure regenerate` has a message answered anew.
import { Command, Option } from 'commander';
import type { RegenerateBody } from '../../../workflows/contracts/conversation.ts';
import { sayingFilesStay } from '../continued.ts';
import { exitCodes } from '../exit-codes.ts';
import { find } from '../known-by.ts';
import { keyValue } from '../parse.ts';
import { readPrompt } from '../prompt-source.ts';
import { isAttended, type Shown, type Start, startAndShow, withShown } from '../start-and-show.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';

interface Settings extends Shown {
  preset?: string;
  model?: string;
  policy?: string;
}

const idHelp = 'of a run or a conversation: as printed, the first letters of that, or last (the newest run)';

export function forkCommand(cli: Cli): Command {
  return withSettings(
    new Command('fork')
      .addHelpText('after', exampleHelp('perdure fork last "Now the same with integers." --own-tree'))
      .description('begin a conversation of its own that goes on from a run, and show it until it ends')
      .argument('<id>', `${idHelp}; a conversation is forked from where its next message would go on`)
      .argument('[prompt]', 'what the agent is to do; - reads it from stdin'),
  )
    .option('--own-tree', 'work on a copy of the directory, beside what else works there')
    .option('--metadata <key=value>', 'a label of your own; may be repeated', keyValue)
    .action(async (given: string, text: string | undefined, options: ForkOptions) => {
      const { stdin, terminal, output } = cli;
      const prompt = await readPrompt(text, { stdin, remark: output.remark, ...(terminal && { terminal }) });
      if (prompt === undefined) return cli.exitWith(exitCodes.left);
      const { conversationId, runId, project } = await named(cli, given);
      const body = {
        ...{ prompt, ...said(cli, options) },
        ...(runId !== undefined && { fromRunId: runId }),
        ...(options.ownTree && { workTree: 'own' as const }),
        ...(options.metadata && { metadata: options.metadata }),
      };
      const start: Start = (client, signal) => client.fork(conversationId, body, signal);
      cli.exitWith(await startAndShow(cli, sayingFilesStay(cli, project, start), options));
    });
}

interface ForkOptions extends Settings {
  ownTree?: boolean;
  metadata?: Record<string, string>;
}

export function regenerateCommand(cli: Cli): Command {
  return withSettings(
    new Command('regenerate')
      .addHelpText('after', exampleHelp('perdure regenerate last --model anthropic/claude-sonnet-4-5'))
      .description('have the message of a run answered anew; the earlier answer stays beside it')
      .argument('[id]', `${idHelp}; of a conversation, its last turn`, 'last'),
  )
    .addOption(
      new Option('--when-busy <what>', 'when the conversation has an active run').choices([
        'reject',
        'queue',
        'interrupt',
      ]),
    )
    .addHelpText(
      'after',
      '\nThe conversation goes on from the new answer once that is there. `perdure run --conversation ID --from RUN` goes on\n' +
        'from the earlier one.',
    )
    .action(async (given: string, options: RegenerateOptions) => {
      const { conversationId, runId, project } = await named(cli, given);
      const body = {
        ...said(cli, options),
        ...(runId !== undefined && { runId }),
        ...(options.whenBusy && { whenBusy: options.whenBusy }),
      };
      const start: Start = (client, signal) => client.regenerate(conversationId, body, signal);
      cli.exitWith(await startAndShow(cli, sayingFilesStay(cli, project, start), options));
    });
}

interface RegenerateOptions extends Settings {
  whenBusy?: NonNullable<RegenerateBody['whenBusy']>;
}

function withSettings(command: Command): Command {
  return withShown(command)
    .option('--preset <name>', 'what it goes by where no option says otherwise; "none" for none')
    .option('--model <provider/model>', 'the model that answers')
    .option('--policy <name>', 'what it may do');
}

function said(cli: Cli, options: Settings) {
  const { preset, model, policy } = options;
  return {
    attended: isAttended(cli, options),
    ...(preset !== undefined && { preset: preset === 'none' ? null : preset }),
    ...(model !== undefined && { model }),
    ...(policy !== undefined && { policy }),
  };
}

/** Which conversation is meant, and which run of it where one is. */
async function named(cli: Cli, given: string) {
  const { id, kind } = await find(cli, given, ['run', 'conversation']);
  if (kind === 'run') {
    const { conversationId, project } = await cli.client().run(id);
    return { conversationId, runId: id, project };
  }
  const { latestRun } = await cli.client().conversation(id);
  return { conversationId: id, project: latestRun?.project ?? null };
}
