// `perdure workspaces`: projects in an order, under a name. Runs work in the first and can read the others.
import { Command } from 'commander';
import type { WorkspaceView } from '../../../workflows/contracts/workspace.ts';
import { readPages } from '../pages.ts';
import { keyValue, names, positiveInteger } from '../parse.ts';
import { namedPath } from '../project-choice.ts';
import { UsageError } from '../server.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import { printableLine } from '../terminal/printable.ts';
import { tableOf } from '../terminal/table.ts';
import type { Cli } from '../surroundings.ts';

export function workspacesCommand(cli: Cli): Command {
  return new Command('workspaces')
    .addHelpText('after', exampleHelp('perdure workspaces'))
    .description('workspaces: directories of which runs work in the first and can read the others')
    .addCommand(listCommand(cli), { isDefault: true })
    .addCommand(addCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(setCommand(cli))
    .addCommand(removeCommand(cli));
}

interface ListOptions {
  metadata?: Record<string, string>;
  limit: number;
  json?: boolean;
}

function listCommand(cli: Cli): Command {
  return new Command('list')
    .addHelpText('after', exampleHelp('perdure workspaces list --metadata team=shop'))
    .description('list the workspaces')
    .option('--metadata <key=value>', 'only those with this label; may be repeated', keyValue)
    .option('--limit <n>', 'so many at most', positiveInteger, 100)
    .option('--json')
    .action(async ({ limit, json, ...filters }: ListOptions) => {
      const list = await readPages(limit, (page) => cli.client().workspaces({ ...page, ...filters }));
      if (json) return cli.output.json(list);
      if (list.items.length === 0)
        return cli.output.line('There are none; `perdure workspaces add ID DIR…` makes one.');
      const rows = list.items.map(({ id, version, name, projects }) => [
        id,
        version,
        printableLine(name, 40),
        projects.map(({ path }) => printableLine(path, 200)).join(', '),
      ]);
      cli.output.line(tableOf(cli.output, ['WORKSPACE', 'VERSION', 'NAME', 'DIRECTORIES'], rows));
      if (list.nextCursor !== null)
        cli.output.remark(`There are more; these are the first ${limit}: see --limit.`);
    });
}

interface SaveOptions {
  name?: string;
  metadata?: Record<string, string>;
  json?: boolean;
}

const idHelp = 'its id: lower-case words joined by hyphens';

function addCommand(cli: Cli): Command {
  return new Command('add')
    .addHelpText('after', exampleHelp('perdure workspaces add shop ~/shop ~/cart-library'))
    .description('make a workspace of directories')
    .argument('<workspace>', idHelp)
    .argument('<dir...>', 'the first is where runs work and write; the others can be read')
    .option('--name <name>', 'what people read (default: the id)')
    .option('--metadata <key=value>', 'a label of your own; may be repeated', keyValue)
    .option('--json')
    .action(async (id: string, folders: string[], { json, ...said }: SaveOptions) => {
      const made = await cli.client().createWorkspace({ id, projects: toProjects(cli, folders), ...said });
      tell(cli, made, json);
    });
}

function toProjects(cli: Cli, folders: readonly string[]): WorkspaceView['projects'] {
  return folders.map((folder) => ({ path: namedPath(cli, folder, 'A directory') }));
}

function tell(cli: Cli, workspace: WorkspaceView, json = false): void {
  if (json) return cli.output.json(workspace);
  show(cli, workspace);
}

function show({ output }: Cli, { id, version, name, projects, metadata }: WorkspaceView): void {
  output.line(output.colors.bold(`${id}, version ${version}: ${printableLine(name, 100)}`));
  for (const [at, { path }] of projects.entries())
    output.line(`  ${at === 0 ? 'works in' : 'can read'}: ${printableLine(path, 500)}`);
  for (const [key, value] of Object.entries(metadata))
    output.line(`  ${printableLine(`${key}=${value}`, 600)}`);
}

function showCommand(cli: Cli): Command {
  return new Command('show')
    .addHelpText('after', exampleHelp('perdure workspaces show shop'))
    .description('what a workspace is made of')
    .argument('<workspace>', 'its id; see `perdure workspaces list`')
    .option('--json')
    .action(async (id: string, { json }: { json?: boolean }) =>
      tell(cli, await cli.client().workspace(id), json),
    );
}

interface SetOptions extends SaveOptions {
  projects?: string[];
  forget?: string[];
}

function setCommand(cli: Cli): Command {
  return new Command('set')
    .addHelpText('after', exampleHelp('perdure workspaces set shop --metadata team=cart --forget ticket'))
    .description('change what is given of a workspace; runs go on with the directories they began with')
    .argument('<workspace>', 'its id')
    .option('--projects <dir...>', 'its directories, in the place of those there were')
    .option('--name <name>', 'what people read')
    .option('--metadata <key=value>', 'a label to set; may be repeated', keyValue)
    .option('--forget <keys>', 'labels to take away: a,b', names)
    .option('--json')
    .action(async (id: string, { json, projects, name, metadata, forget = [] }: SetOptions) => {
      const labels = { ...metadata, ...Object.fromEntries(forget.map((key) => [key, null])) };
      const change = {
        ...(projects && { projects: toProjects(cli, projects) }),
        ...(name !== undefined && { name }),
        ...(Object.keys(labels).length > 0 && { metadata: labels }),
      };
      if (Object.keys(change).length === 0)
        throw new UsageError('Nothing is to be changed: say --projects, --name, --metadata or --forget.');
      const { version } = await cli.client().workspace(id);
      tell(cli, await cli.client().changeWorkspace(id, { ...change, version }), json);
    });
}

function removeCommand(cli: Cli): Command {
  return new Command('remove')
    .addHelpText('after', exampleHelp('perdure workspaces remove shop'))
    .description('take a workspace away; its directories stay')
    .argument('<workspace>', 'its id')
    .option('--json')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const workspace = await cli.client().workspace(id);
      await cli.client().deleteWorkspace(id, workspace.version);
      if (json) return cli.output.json(workspace);
      cli.output.line(`${id} is gone; its directories stay.`);
    });
}
