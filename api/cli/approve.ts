// `perdure approve`: allows what a run waits for, with other arguments if need be, or answers its question.
import { Command, Option } from 'commander';
import { sayDecided } from './approvals.ts';
import { type ApproveInput, jsonValue } from './parse.ts';
import type { Cli } from './surroundings.ts';

interface ApproveOptions {
  input?: ApproveInput;
  answer?: string;
  note?: string;
  json?: boolean;
}

export function approveCommand(cli: Cli): Command {
  return new Command('approve')
    .description('allow what a run waits for, or answer its question')
    .argument('<id>', 'the id of the approval; see `perdure approvals`')
    .option('--input <json>', 'other arguments for the call, as JSON', jsonValue)
    .addOption(new Option('--answer <text>', 'the answer to a question').conflicts('input'))
    .option('--note <text>', 'kept with the decision')
    .option('--json')
    .action(async (id: string, { input, answer, note, json }: ApproveOptions) => {
      const given = answer === undefined ? input : { answer };
      const body = { ...(given !== undefined && { input: given }), ...(note !== undefined && { note }) };
      sayDecided(cli, await cli.client().approve(id, body), json);
    });
}
