// `perdure presets`: what runs of one kind go by, under a name: looked at, changed, kept as files.
import { extname, resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { ContainerRef } from '../../../workflows/contracts/container.ts';
import type { AskedMode } from '../../../workflows/contracts/run.ts';
import type { CreatePresetBody, PresetFileFormat, PresetView } from '../../../workflows/contracts/preset.ts';
import { ProblemError } from '../../client/client.ts';
import { readPages } from '../pages.ts';
import { containerRef, keyValue, nameWithDefault, names, sandboxes } from '../parse.ts';
import { readTextFile, writeNewFile } from '../files.ts';
import { UsageError } from '../server.ts';
import { toLimitWords } from '../terminal/configuration-lines.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { printable, printableLine } from '../terminal/printable.ts';
import { firstWords, tableOf } from '../terminal/table.ts';
import type { Cli } from '../surroundings.ts';

export function presetsCommand(cli: Cli): Command {
  return new Command('presets')
    .addHelpText('after', exampleHelp('perdure presets'))
    .description(
      'presets: a model, instructions, tools, a policy and limits under one name; modes are built in',
    )
    .option('--json')
    .action((options: { json?: boolean }) => list(cli, options))
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(saveCommand(cli))
    .addCommand(deleteCommand(cli))
    .addCommand(importCommand(cli))
    .addCommand(exportCommand(cli));
}

function listCommand(cli: Cli): Command {
  return new Command('list')
    .addHelpText('after', exampleHelp('perdure presets list'))
    .description('list the presets; * marks the one that runs have which name none')
    .option('--json')
    .action((_options: object, command: Command) => list(cli, command.optsWithGlobals<{ json?: boolean }>()));
}

// More than a person looks through; the API pages through all of them.
const mostListed = 1000;

async function list(cli: Cli, { json }: { json?: boolean }): Promise<void> {
  const found = await readPages(mostListed, (page) => cli.client().presets(page));
  if (json) return cli.output.json(found);
  const rows = found.items.map(({ id, version, builtIn, default: isDefault, model, description, name }) => [
    isDefault ? `${id} *` : id,
    version,
    builtIn ? 'built in' : 'own',
    model ?? '-',
    firstWords(description ?? name, cli.output.isTerminal ? 60 : 200),
  ]);
  cli.output.line(tableOf(cli.output, ['PRESET', 'VERSION', 'WHOSE', 'MODEL', 'WHAT IT IS'], rows));
}

function showCommand(cli: Cli): Command {
  return new Command('show')
    .addHelpText('after', exampleHelp('perdure presets show reviewer'))
    .description('what a preset says')
    .argument('<preset>', 'its id; see `perdure presets list`')
    .option('--json')
    .action(async (id: string, _options: object, command: Command) => {
      const preset = await cli.client().preset(id);
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.output.json(preset);
      show(cli, preset);
    });
}

function show({ output }: Cli, preset: PresetView): void {
  const { id, version, name, description, model, temperature, tools, project, policy, execMode, container } =
    preset;
  const words = toLimitWords(preset.limits ?? {});
  const lines: [string, string | undefined][] = [
    ['model', model],
    ['where it fails', preset.fallbacks?.join(', then ')],
    ['temperature', temperature?.toString()],
    ['only the tools', tools?.on?.join(', ')],
    ['not the tools', tools?.off?.join(', ')],
    ['project', project?.path],
    ['policy', policy],
    ['sandbox', execMode],
    ['container', container && [container.id, container.workdir].filter(Boolean).join(':')],
    ['workspace', preset.workspace],
    ...(preset.subagents ?? []).map(({ name: who, preset: by, description: when }): [string, string] => [
      `subagent ${who}`,
      [`goes by ${by}`, when].filter(Boolean).join('; '),
    ]),
    ...Object.entries(preset.environment ?? {}).map(([variable, value]): [string, string] => [
      'environment',
      `${variable}=${value}`,
    ]),
    ['at most', words.length > 0 ? words.join(', ') : undefined],
  ];
  output.line(
    output.colors.bold(
      `${id}, version ${version}${preset.default ? ', the default' : ''}: ${printableLine(name, 100)}`,
    ),
  );
  if (description !== undefined) output.line(printable(description));
  for (const [what, value] of lines)
    if (value !== undefined) output.line(`  ${what}: ${printableLine(value, 500)}`);
  for (const [variable, { description: about, default: usual }] of Object.entries(preset.variables ?? {})) {
    const given = usual === undefined ? 'has to be given' : `${JSON.stringify(usual)} unless given`;
    output.line(`  {{ ${variable} }}: ${printableLine([about, given].filter(Boolean).join('; '), 500)}`);
  }
  if (preset.instructions === undefined) return;
  output.line();
  output.line(printable(preset.instructions));
}

interface SaveOptions {
  name?: string;
  description?: string;
  model?: string;
  fallbacks?: string[];
  temperature?: number;
  policy?: string;
  sandbox?: AskedMode;
  container?: ContainerRef;
  project?: string;
  instructions?: string;
  variable?: Record<string, { default?: string }>;
  toolsOn?: string[];
  toolsOff?: string[];
  workspace?: string;
  subagent?: Record<string, string>;
  environment?: Record<string, string>;
  default?: boolean;
  json?: boolean;
}

function saveCommand(cli: Cli): Command {
  return new Command('save')
    .addHelpText(
      'after',
      exampleHelp('perdure presets save shop-coder --model openai/gpt-5.2 --instructions coder.md'),
    )
    .description('make a preset, or change what is given of one there is')
    .argument('<preset>', 'its id: lower-case words joined by hyphens')
    .option('--name <name>', 'what people read (default: the id)')
    .option('--description <text>', 'what it is for')
    .option('--model <provider/model>', 'the model that answers')
    .option('--fallbacks <names>', 'models that go on where that one fails: a/b,c/d', names)
    .option('--temperature <number>', 'how freely it chooses its words: 0 to 2', Number)
    .option('--policy <name>', 'what its runs may do')
    .addOption(new Option('--sandbox <kind>', 'where their commands run').choices(sandboxes))
    .addOption(
      new Option('--container <id[:dir]>', 'a container of yours that their commands run in')
        .argParser(containerRef)
        .conflicts('sandbox'),
    )
    .option('--project <dir>', 'the directory they work in')
    .option('--instructions <file>', 'a Liquid template: what the model is told before all messages')
    .option(
      '--variable <name[=default]>',
      'a variable of the instructions; may be repeated, and replaces those there were',
      nameWithDefault,
    )
    .addOption(
      new Option('--tools-on <names>', 'only these built-in tools: read,grep')
        .argParser(names)
        .conflicts('toolsOff'),
    )
    .option('--tools-off <names>', 'all built-in tools but these', names)
    .addOption(
      new Option('--workspace <id>', 'the workspace they work in, in the place of a directory').conflicts(
        'project',
      ),
    )
    .option(
      '--subagent <name=preset>',
      'a subagent that goes by a preset of its own; may be repeated, and replaces those there were',
      keyValue,
    )
    .option(
      '--environment <NAME=value>',
      'a variable for their commands, and no secret; may be repeated, and replaces those there were',
      keyValue,
    )
    .option('--default', 'runs of new conversations have it that name none')
    .option('--no-default', 'it is the default no more')
    .option('--json')
    .action(async (id: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<SaveOptions>();
      const saved = await save(cli, id, options);
      if (options.json) return cli.output.json(saved);
      cli.output.line(`${saved.id}, version ${saved.version}${saved.default ? ', the default' : ''}`);
    });
}

async function save(cli: Cli, id: string, options: SaveOptions): Promise<PresetView> {
  const { name, description, model, temperature, policy, sandbox, project, toolsOn, toolsOff } = options;
  const instructions =
    options.instructions === undefined
      ? undefined
      : await readTextFile(resolve(cli.folder, options.instructions));
  const said = {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(model !== undefined && { model }),
    ...(options.fallbacks && { fallbacks: options.fallbacks }),
    ...(temperature !== undefined && { temperature }),
    ...(policy !== undefined && { policy }),
    ...(sandbox && { execMode: sandbox }),
    ...(options.container && { container: options.container }),
    ...(project !== undefined && { project: { path: resolve(cli.folder, project) } }),
    ...(instructions !== undefined && { instructions }),
    ...(options.variable && { variables: options.variable }),
    ...(toolsOn && { tools: { on: toolsOn } }),
    ...(toolsOff && { tools: { off: toolsOff } }),
    ...(options.subagent && {
      subagents: Object.entries(options.subagent).map(([who, by]) => ({ name: who, preset: by })),
    }),
    ...(options.environment && { environment: options.environment }),
    ...(options.workspace !== undefined && { workspace: options.workspace }),
    ...(options.default !== undefined && { default: options.default }),
  } satisfies Partial<CreatePresetBody>;
  const client = cli.client();
  const before = await known(cli, id);
  if (before === undefined) return client.createPreset({ id, name: id, ...said });
  const { builtIn: _, default: _usual, ...preset } = before;
  // One place takes that of the other.
  if (said.project) delete preset.workspace;
  if (said.workspace !== undefined) delete preset.project;
  return client.updatePreset(id, { ...preset, ...said });
}

async function known(cli: Cli, id: string): Promise<PresetView | undefined> {
  try {
    return await cli.client().preset(id);
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) return undefined;
    throw error;
  }
}

function deleteCommand(cli: Cli): Command {
  return new Command('delete')
    .addHelpText('after', exampleHelp('perdure presets delete shop-coder'))
    .description('take a preset away; runs that began with it go on')
    .argument('<preset>', 'its id')
    .option('--json')
    .action(async (id: string, _options: object, command: Command) => {
      const preset = await cli.client().preset(id);
      await cli.client().deletePreset(id, preset.version);
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.output.json(preset);
      cli.output.line(`${id} is gone.`);
    });
}

function formatOf(file: string): PresetFileFormat {
  if (/^\.ya?ml$/.test(extname(file))) return 'yaml';
  if (extname(file) === '.toml') return 'toml';
  throw new UsageError(`${file} must end in .yaml, .yml or .toml.`);
}

function importCommand(cli: Cli): Command {
  return new Command('import')
    .addHelpText('after', exampleHelp('perdure presets import shop-coder.yaml'))
    .description('make presets out of files, or the next versions of those with the same ids')
    .argument('<file...>', 'YAML or TOML, as `perdure presets export` writes it')
    .option('--json')
    .action(async (files: string[], _options: object, command: Command) => {
      const read = [];
      // All are read before the first counts.
      for (const each of files) {
        const format = formatOf(each);
        read.push({ file: await readTextFile(resolve(cli.folder, each)), format });
      }
      const saved: PresetView[] = [];
      for (const body of read) saved.push(await cli.client().importPreset(body));
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.output.json({ items: saved });
      for (const { id, version } of saved) cli.output.line(`${id}, version ${version}`);
    });
}

function exportCommand(cli: Cli): Command {
  return new Command('export')
    .addHelpText('after', exampleHelp('perdure presets export shop-coder > shop-coder.yaml'))
    .description('print a preset as a file, or write it')
    .argument('<preset>', 'its id')
    .addOption(new Option('--format <format>', 'yaml unless said otherwise').choices(['yaml', 'toml']))
    .option('--file <path>', 'where it is written; its ending says the format')
    .action(async (id: string, { format, file }: { format?: PresetFileFormat; file?: string }) => {
      const text = await cli
        .client()
        .presetFile(id, format ?? (file === undefined ? 'yaml' : formatOf(file)));
      if (file === undefined) return cli.output.write(text);
      const path = resolve(cli.folder, file);
      await writeNewFile(path, text);
      cli.output.line(path);
    });
}
