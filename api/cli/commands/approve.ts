// `perdure approve`: allows what a run waits for, with other arguments if need be, or answers its question.
import { Command, Option } from 'commander';
import type { PolicyScopeName } from '../../../workflows/contracts/policy.ts';
import { ruleText } from '../terminal/approval-panel.ts';
import { sayDecided } from './approvals.ts';
import { type ApproveInput, jsonValue, positiveInteger } from '../parse.ts';
import { UsageError } from '../server.ts';
import type { Cli } from '../surroundings.ts';

const scopes = ['run', 'project', 'global'] as const satisfies readonly PolicyScopeName[];

interface ApproveOptions {
  input?: ApproveInput;
  answer?: string;
  note?: string;
  remember?: PolicyScopeName;
  days?: number;
  json?: boolean;
}

export function approveCommand(cli: Cli): Command {
  return new Command('approve')
    .description('allow what a run waits for, or answer its question')
    .argument('<id>', 'the id of the approval; see `perdure approvals`')
    .option('--input <json>', 'other arguments for the call, as JSON', jsonValue)
    .addOption(new Option('--answer <text>', 'the answer to a question').conflicts('input'))
    .option('--note <text>', 'kept with the decision')
    .addOption(
      new Option(
        '--remember <scope>',
        'allow exactly this again without asking: in this run, in its project, everywhere',
      )
        .choices(scopes)
        .conflicts('answer'),
    )
    .option('--days <count>', 'how long that is remembered (default: 30)', positiveInteger)
    .option('--json')
    .action(async (id: string, { input, answer, note, remember, days, json }: ApproveOptions) => {
      if (days !== undefined && !remember) throw new UsageError('--days says how long: give --remember too.');
      // The rule that is saved is the one that was shown; of other arguments none was.
      if (remember && input !== undefined)
        throw new UsageError(
          '--remember saves the rule the approval shows, which --input changes: give one of the two.',
        );
      const given = answer === undefined ? input : { answer };
      const client = cli.client();
      if (remember) {
        const { remembers } = await client.approval(id);
        if (remembers) cli.output.remark(`remembering: ${ruleText(remembers, days)}`);
      }
      const decided = await client.approve(id, {
        ...(given !== undefined && { input: given }),
        ...(note !== undefined && { note }),
        ...(remember && { remember: { scope: remember, ...(days !== undefined && { days }) } }),
      });
      sayDecided(cli, decided, json);
    });
}
