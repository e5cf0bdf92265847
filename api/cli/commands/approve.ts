// `perdure approve`: allows what a run waits for, with other arguments if need be, or answers its question.
import { Command, Option } from 'commander';
import type { PolicyScopeName } from '../../../workflows/contracts/policy.ts';
import { plural } from '../terminal/figures.ts';
import { printableLine } from '../terminal/printable.ts';
import { sayDecided } from './approvals.ts';
import { type ApproveInput, dollars, jsonValue, positiveInteger } from '../parse.ts';
import { UsageError } from '../server.ts';
import { idHelp, idOf } from '../known-by.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

const scopes = { run: 'run', project: 'project', everywhere: 'global' } as const satisfies Record<
  string,
  PolicyScopeName
>;
const places = { run: 'in this run', project: 'in its project', everywhere: 'everywhere' };

interface ApproveOptions {
  input?: ApproveInput;
  answer?: string;
  dollars?: number;
  note?: string;
  remember?: keyof typeof scopes;
  days?: number;
  json?: boolean;
}

export function approveCommand(cli: Cli): Command {
  return new Command('approve')
    .addHelpText('after', exampleHelp('perdure approve last --remember run'))
    .description('allow what a run waits for, or answer its question')
    .argument('<id>', idHelp('approval'))
    .option('--input <json>', 'other arguments for the call, as JSON', jsonValue)
    .addOption(new Option('--answer <text>', 'the answer to a question').conflicts('input'))
    .addOption(
      new Option('--dollars <amount>', 'at the limit of the run itself: how many dollars more it may spend')
        .argParser(dollars)
        .conflicts(['input', 'answer']),
    )
    .option('--note <text>', 'kept with the decision')
    .addOption(
      new Option(
        '--remember <scope>',
        'allow exactly the same arguments again without asking: in this run, in its project, everywhere',
      )
        .choices(Object.keys(scopes))
        .conflicts('answer'),
    )
    .option('--days <count>', 'how long that is remembered (default: 30)', positiveInteger)
    .option('--json')
    .action(
      async (
        given: string,
        { input, answer, dollars: costMicros, note, remember, days, json }: ApproveOptions,
      ) => {
        if (days !== undefined && !remember)
          throw new UsageError('--days says how long: give --remember too.');
        // Only what was shown is remembered.
        if (remember && input !== undefined)
          throw new UsageError(
            '--remember saves the arguments the approval shows, which --input changes: give one of the two.',
          );
        const other = answer !== undefined ? { answer } : costMicros !== undefined ? { costMicros } : input;
        const client = cli.client();
        const id = await idOf(cli, given, 'approval');
        if (remember) {
          const { remembers } = await client.approval(id);
          const long = plural(days ?? 30, 'day');
          if (remembers)
            cli.output.remark(
              `remembering ${places[remember]}, for ${long}: ${printableLine(remembers, 1000)}`,
            );
        }
        const decided = await client.approve(id, {
          ...(other !== undefined && { input: other }),
          ...(note !== undefined && { note }),
          ...(remember && { remember: { scope: scopes[remember], ...(days !== undefined && { days }) } }),
        });
        sayDecided(cli, decided, json);
      },
    );
}
