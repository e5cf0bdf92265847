// `perdure context`: what a model was sent at a step of a run.
import { Command } from 'commander';
import type { ContextView } from '../../../workflows/contracts/context.ts';
import { idHelp, idOf } from '../known-by.ts';
import { UsageError } from '../server.ts';
import type { Cli } from '../surroundings.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { printableLine } from '../terminal/printable.ts';
import { tableOf } from '../terminal/table.ts';

export function contextCommand(cli: Cli): Command {
  return new Command('context')
    .addHelpText('after', exampleHelp('perdure context last --step 3'))
    .description('show what the model of a run was sent: tokens by part, messages, and what was left out')
    .argument('<run>', idHelp('run'))
    .option('--step <number>', 'at this step; the last one when left out')
    .option('--json')
    .action(async (given: string, { step, json }: { step?: string; json?: boolean }) => {
      const runId = await idOf(cli, given, 'run');
      const view = await cli.client().context(runId, step === undefined ? undefined : stepOf(step));
      if (json) return cli.output.json(view);
      showContext(cli, view);
    });
}

// Names of models, files and reasons are shorter.
const longestWords = 300;

function stepOf(given: string): number {
  if (/^[1-9]\d{0,5}$/.test(given)) return Number(given);
  throw new UsageError(`"${given}" is no step: steps are counted from 1.`);
}

function showContext({ output }: Cli, view: ContextView): void {
  const { step, model, tokens, window, use, messageCount } = view;
  const share =
    tokens === null || window === null
      ? 'its size was not recorded'
      : `about ${tokens} of ${window} tokens (${Math.round((100 * tokens) / window)} %)`;
  output.line(`step ${step} · ${printableLine(model, longestWords)} · ${share}`);
  const said = use.estimated ? 'estimated' : 'counted by the provider';
  output.line(
    `${use.inputTokens} in, ${use.cachedInputTokens} of them cached; ${use.outputTokens} out (${said})`,
  );
  const parts = view.parts.map(({ part, name, tokens: size, text }) => [name ?? part, size, text ?? null]);
  if (parts.length > 0) output.line(`\n${tableOf(output, ['PART', 'TOKENS', 'SAYS'], parts)}`);
  const messages = view.messages.map(({ step: of, kind, length, text }) => [of, kind, length, text]);
  output.line(`\n${tableOf(output, ['STEP', 'MESSAGE', 'CHARACTERS', 'TEXT'], messages)}`);
  if (messageCount > messages.length) output.remark(`There are ${messageCount}; these are the newest.`);
  for (const { what, why } of view.leftOut)
    output.remark(`Left out: ${printableLine(what, longestWords)}. ${printableLine(why, longestWords)}`);
}
