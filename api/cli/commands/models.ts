// `perdure models`: which model providers there are, and what is missing to use one.
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { ChangeModelConfigBody, ModelConfigView } from '../../../workflows/contracts/model-config.ts';
import type { ModelView } from '../../../workflows/contracts/system.ts';
import { readTextFile } from '../files.ts';
import { firstWords, tableOf } from '../terminal/table.ts';
import { printableLine } from '../terminal/printable.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

export function modelsCommand(cli: Cli): Command {
  return new Command('models')
    .addHelpText('after', exampleHelp('perdure models'))
    .description('list the model providers and what is missing to use one, or configure a model')
    .addCommand(listCommand(cli), { isDefault: true })
    .addCommand(setCommand(cli))
    .addCommand(unsetCommand(cli));
}

function listCommand(cli: Cli): Command {
  return new Command('list')
    .addHelpText('after', exampleHelp('perdure models list'))
    .description('list the providers, and what is configured for models')
    .option('--json')
    .action(async (options: { json?: boolean }) => {
      const [list, { items: configured }] = await Promise.all([
        cli.client().models(),
        cli.client().modelConfigs(),
      ]);
      if (options.json) return cli.output.json({ ...list, configured });
      const rows = list.items.map((item) => [
        item.provider,
        toState(item),
        item.configured ? (item.profile?.name ?? '') : '',
        item.models.slice(0, 3).join(' '),
      ]);
      cli.output.line(tableOf(cli.output, ['PROVIDER', 'STATE', 'PROFILE', 'MODELS'], rows));
      for (const item of list.items) for (const line of toReasons(item)) cli.output.line(line);
      for (const config of configured) cli.output.line(toConfigLine(config));
      cli.output.line(`\nDefault: ${printableLine(list.default, 200)}`);
      const scripted = list.items.some(
        (item) => item.scripted && list.default.startsWith(`${item.provider}/`),
      );
      if (scripted)
        cli.output.line('It follows a script and is no real model: set one of the variables above for one.');
    });
}

function toConfigLine({ model, temperature, key, instructions }: ModelConfigView): string {
  const parts = [
    temperature === undefined ? [] : [`temperature ${temperature}`],
    key === undefined ? [] : [`key ${key}`],
    instructions === undefined ? [] : [`instructions: ${firstWords(instructions, 60)}`],
  ].flat();
  return printableLine(`Configured for ${model}: ${parts.join(', ') || 'nothing'}`, 500);
}

interface SetOptions {
  temperature?: number;
  key?: string;
  instructions?: string;
  json?: boolean;
}

function setCommand(cli: Cli): Command {
  return new Command('set')
    .addHelpText('after', exampleHelp('perdure models set openai/gpt-5.2 --key team-a --temperature 0.2'))
    .description('configure a model, for every run that calls it: what is not given stays as it is')
    .argument('<provider/model>', 'the model')
    .option(
      '--temperature <number>',
      'how freely it chooses its words, where a preset says nothing: 0 to 2',
      Number,
    )
    .option('--key <name>', 'the key it is called with: a name out of PERDURE_MODEL_KEYS')
    .option('--instructions <file>', 'what it is told in every run, before the instructions of a preset')
    .option('--json')
    .action(async (model: string, { instructions: file, json, ...given }: SetOptions) => {
      const client = cli.client();
      const instructions = file === undefined ? undefined : await readTextFile(resolve(cli.folder, file));
      const before = (await client.modelConfigs()).items.find((config) => config.model === model);
      const { changedAt: _at, changedBy: _by, ...kept } = before ?? { model, version: 0 };
      const said = { ...given, ...(instructions !== undefined && { instructions }) };
      const saved = await client.changeModelConfig({ ...kept, ...said } as ChangeModelConfigBody);
      if (json) return cli.output.json(saved);
      cli.output.line(toConfigLine(saved));
    });
}

function unsetCommand(cli: Cli): Command {
  return new Command('unset')
    .addHelpText('after', exampleHelp('perdure models unset openai/gpt-5.2'))
    .description('take away what is configured for a model')
    .argument('<provider/model>', 'the model')
    .option('--json')
    .action(async (model: string, { json }: { json?: boolean }) => {
      const client = cli.client();
      const before = (await client.modelConfigs()).items.find((config) => config.model === model);
      if (!before) throw new Error(`Nothing is configured for ${model}.`);
      await client.deleteModelConfig(model, before.version);
      if (json) return cli.output.json(before);
      cli.output.line(`Nothing is configured for ${printableLine(model, 200)} any more.`);
    });
}

/** Why its requests look as they do, where the provider alone does not say it. */
function toReasons({ provider, configured, profile }: ModelView): string[] {
  if (!configured || profile === null) return [];
  const others = Object.entries(profile.byModel).map(
    ([model, name]) => `Profile of ${printableLine(model, 100)}: ${name}, by the configuration`,
  );
  const own = profile.name === provider || profile.why === 'its own API';
  return [...(own ? [] : [`Profile of ${provider}: ${profile.name}, ${profile.why}`]), ...others];
}

function toState(item: ModelView): string {
  if (item.configured) return 'configured';
  return item.missing === null ? 'not configured' : `set ${item.missing}`;
}
