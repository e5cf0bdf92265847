// `perdure policies`: which profiles a run may name, what each says, what one would decide, and where they apply.
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { EvaluateBody, PolicyView } from '../../../workflows/contracts/policy.ts';
import { ProblemError } from '../../client/client.ts';
import { wrappedWords } from '../terminal/approval-panel.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { printable, printableLine } from '../terminal/printable.ts';
import { profileSentences, ruleSentence } from '../terminal/rule-sentences.ts';
import { tableOf } from '../terminal/table.ts';
import { readTextFile, writeNewFile } from '../files.ts';
import { UsageError } from '../server.ts';
import type { Cli } from '../surroundings.ts';

export function policiesCommand(cli: Cli): Command {
  return new Command('policies')
    .addHelpText('after', exampleHelp('perdure policies'))
    .description('policy profiles: what runs may do, and where that applies')
    .option('--json')
    .action((options: { json?: boolean }) => list(cli, options))
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(tryCommand(cli))
    .addCommand(customiseCommand(cli))
    .addCommand(applyCommand(cli));
}

function listCommand(cli: Cli): Command {
  return new Command('list')
    .addHelpText('after', exampleHelp('perdure policies list'))
    .description('list the profiles, what each requires of the sandbox and where it applies')
    .option('--json')
    .action((_options: object, command: Command) => list(cli, command.optsWithGlobals<{ json?: boolean }>()));
}

async function list(cli: Cli, { json }: { json?: boolean }): Promise<void> {
  const client = cli.client();
  const profiles = await client.policies({ limit: 200 });
  if (json) return cli.output.json(profiles);
  const places = (await client.policyPlaces()).items;
  const rows = profiles.items.map(({ id, version, builtIn, requires }) => {
    const where = places.filter(({ policy }) => policy === id).map(({ project }) => project ?? 'everywhere');
    return [id, version, builtIn ? 'built in' : 'own', requires ?? '-', where.join(', ') || '-'];
  });
  cli.output.line(tableOf(cli.output, ['POLICY', 'VERSION', 'WHOSE', 'REQUIRES', 'APPLIES TO'], rows));
  if (profiles.nextCursor !== null) cli.output.remark('There are more; these are the first 200.');
}

function showCommand(cli: Cli): Command {
  return new Command('show')
    .addHelpText('after', exampleHelp('perdure policies show accept-edits'))
    .description('what a profile says, as sentences; the first rule that matches decides')
    .argument('<name>', 'the profile; see `perdure policies list`')
    .option('--json')
    .action(async (name: string, _options: object, command: Command) => {
      const profile = await cli.client().policy(name);
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.output.json(profile);
      show(cli, profile);
    });
}

function show({ output }: Cli, profile: PolicyView): void {
  const { id, version, description, rules } = profile;
  const say = (text: string, margin = ''): void => {
    const [first = '', ...more] = wrappedWords(printable(text), Math.max(20, output.columns - margin.length));
    output.line(`${margin}${first}`);
    for (const each of more) output.line(`${' '.repeat(margin.length)}${each}`);
  };
  output.line(output.colors.bold(`${id}, version ${version}`));
  say(description);
  output.line();
  for (const [index, rule] of rules.entries()) say(ruleSentence(rule), `${`${index}`.padStart(3)}  `);
  output.line();
  for (const each of profileSentences(profile)) say(each);
}

interface TryOptions {
  read?: string;
  write?: string;
  fetch?: string;
  project?: string;
  attended: boolean;
}

function tryCommand(cli: Cli): Command {
  return new Command('try')
    .addHelpText('after', exampleHelp('perdure policies try accept-edits "git log -3"'))
    .description('what a profile would decide, and by which rule; nothing is run')
    .argument('<name>', 'the profile; see `perdure policies list`')
    .argument('[command]', 'a command, in quotes')
    .addOption(
      new Option('--read <path>', 'in place of a command: reading a file').conflicts(['write', 'fetch']),
    )
    .addOption(new Option('--write <path>', 'in place of a command: writing a file').conflicts('fetch'))
    .option('--fetch <url>', 'in place of a command: fetching from a host')
    .option('--project <dir>', 'the directory it would be in (default: this one)')
    .option('--no-attended', 'as for a run without a person to answer')
    .option('--json')
    .action(async (policy: string, given: string | undefined, _options: object, command: Command) => {
      const options = command.optsWithGlobals<TryOptions & { json?: boolean }>();
      const path = resolve(cli.folder, options.project ?? '.');
      const { attended } = options;
      const calls = [callOf(given, options)];
      const tried = await cli.client().evaluatePolicy({ policy, project: { path }, attended, calls });
      if (options.json) return cli.output.json(tried);
      const { output } = cli;
      for (const { problem, decision, subject, runs } of tried.items) {
        output.line(`${decision?.decision ?? 'deny'}: ${printableLine(subject || 'no valid call', 500)}`);
        if (runs !== null) output.line(`  runs as ${printableLine(runs, 500)}`);
        if (decision === null) output.line(`  ${printableLine(problem ?? '', 500)}`);
        else {
          const place = decision.ruleIndex === null ? '' : `rule ${decision.ruleIndex} of `;
          const why = `${place}${decision.profileId} (${decision.ruleText}): ${decision.reason}`;
          for (const each of wrappedWords(printableLine(why, 1000), output.columns - 2))
            output.line(`  ${each}`);
        }
      }
    });
}

function callOf(
  command: string | undefined,
  { read, write, fetch }: TryOptions,
): EvaluateBody['calls'][number] {
  const others = [read, write, fetch].filter((each) => each !== undefined);
  if ((command === undefined) === (others.length === 0))
    throw new UsageError('Give a command in quotes, or one of --read, --write and --fetch.');
  if (command !== undefined) return { tool: 'shell', input: { command } };
  if (read !== undefined) return { tool: 'read', input: { path: read } };
  if (write !== undefined) return { tool: 'write', input: { path: write, content: '' } };
  return { tool: 'fetch', input: { url: /^https?:/.test(fetch ?? '') ? fetch : `https://${fetch}/` } };
}

function customiseCommand(cli: Cli): Command {
  return new Command('customise')
    .addHelpText('after', exampleHelp('perdure policies customise accept-edits shop'))
    .description(
      'write a copy of a profile to a file, to be edited; `perdure policies apply FILE` makes it count',
    )
    .argument('<name>', 'the profile to copy')
    .argument('<new-name>', 'what the copy is called: lower-case words joined by hyphens')
    .option('--file <path>', 'where it is written (default: <new-name>.policy.yaml)')
    .action(async (name: string, id: string, { file = `${id}.policy.yaml` }: { file?: string }) => {
      if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id) || id.length > 64)
        throw new UsageError(
          'The new name must be lower-case words joined by hyphens, at most 64 characters.',
        );
      const yaml = (await cli.client().policyFile(name)).replace(/^id: .*$/m, `id: ${id}`);
      const path = resolve(cli.folder, file);
      await writeNewFile(path, yaml);
      cli.output.line(path);
      cli.output.remark(`Edit it, then: perdure policies apply ${file} --project DIR, or --everywhere.`);
    });
}

interface ApplyOptions {
  project?: string;
  everywhere?: boolean;
  json?: boolean;
}

function applyCommand(cli: Cli): Command {
  return new Command('apply')
    .addHelpText('after', exampleHelp('perdure policies apply shop.policy.yaml --project .'))
    .description('make a profile count for a project or everywhere, besides what a run names')
    .argument(
      '<name>',
      'a profile, a YAML file that ends in .yaml or .yml, or none to take away what applies',
    )
    .addOption(new Option('--project <dir>', 'for runs in this directory').conflicts('everywhere'))
    .option('--everywhere', 'for all runs')
    .option('--json')
    .action(async (name: string, _options: object, command: Command) => {
      const { project, everywhere, json } = command.optsWithGlobals<ApplyOptions>();
      if (project === undefined && !everywhere)
        throw new UsageError('Say where it counts: --project DIR or --everywhere.');
      const id = /\.ya?ml$/.test(name) ? await save(cli, name) : name;
      const applied = await cli.client().applyPolicy({
        policy: id === 'none' ? null : id,
        ...(project !== undefined && { project: resolve(cli.folder, project) }),
      });
      if (json) return cli.output.json(applied);
      const where =
        applied.project === undefined ? 'to all runs' : `to runs in ${printableLine(applied.project, 500)}`;
      cli.output.line(
        applied.policy === null
          ? `No policy applies ${where} any more.`
          : `${applied.policy} applies ${where}.`,
      );
    });
}

/** Stores the profile of a file, as a new one or as the next version of one of the same name. */
async function save(cli: Cli, file: string): Promise<string> {
  const path = resolve(cli.folder, file);
  const yaml = await readTextFile(path);
  const id = /^id: *["']?([a-z0-9-]+)["']? *$/m.exec(yaml)?.[1];
  const client = cli.client();
  const before = id === undefined ? undefined : await known(cli, id);
  const saved = await (before === undefined || id === undefined
    ? client.createPolicy({ yaml })
    : client.updatePolicy(id, { version: before.version, yaml }));
  cli.output.remark(`Saved ${saved.id}, version ${saved.version}.`);
  return saved.id;
}

async function known(cli: Cli, id: string): Promise<PolicyView | undefined> {
  try {
    return await cli.client().policy(id);
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) return undefined;
    throw error;
  }
}
