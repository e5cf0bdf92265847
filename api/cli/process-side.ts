// The commands of `process-side.json` belong to the process side, which the CLI may not import: they are handed to the
// bootstrap as they were typed. It goes by the same list. What they take is described here, for both sides.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { Argument, Command } from 'commander';
import names from './process-side.json' with { type: 'json' };
import { exampleHelp } from './terminal/example-help.ts';

const settings = `
Every setting is a flag too, such as --port 8080 or --data FOLDER. \`perdure config\` lists all settings with what each is
for; those that are secrets are taken from the environment or a file only.`;

const described: Record<string, (command: Command) => Command> = {
  serve: (command) =>
    command
      .addHelpText('after', exampleHelp('perdure serve --port 8080'))
      .description('start everything here: Postgres, Temporal, the API and a worker')
      .option(
        '--worker-only',
        'join an installation that runs, by DATABASE_URL and TEMPORAL_ADDRESS, as an executor for runs that need this machine',
      ),
  logs: (command) =>
    command
      .addHelpText('after', exampleHelp('perdure logs -f --errors'))
      .description('read the logs of the processes')
      .option('-f, --follow', 'go on with new lines until Ctrl-C, or until the reader is gone')
      .option('--process <name>', 'only of this one: supervisor, api, worker, postgres or temporal')
      .option('--errors', 'only errors')
      .option('--request <id>', 'only of this request')
      .option('--data <folder>', 'the data folder; else PERDURE_DATA, else .perdure'),
  config: (command) =>
    command
      .addHelpText('after', exampleHelp('perdure config'))
      .description('print the effective configuration without secrets')
      .option('--json', 'as JSON, with the reason for each setting'),
  db: (command) =>
    command
      .addHelpText('after', exampleHelp('perdure db current'))
      .description('migrate the database: up, down, current, history')
      .addArgument(new Argument('<what>').choices(['up', 'down', 'current', 'history'])),
  backup: (command) =>
    command
      .addHelpText('after', exampleHelp('perdure backup now'))
      .description('backups of the database in its data folder: now, list, check, restore NAME')
      .addArgument(new Argument('<what>').choices(['now', 'list', 'check', 'restore']))
      .option('--json', 'of list: as JSON')
      .addHelpText(
        'after',
        `
\`now\` makes one and checks it: it is restored into a database of its own, which is dropped again. Of those that are there
the newest of 7 days, 4 weeks and 12 months stay. \`restore\` wants an empty database: that of a new data folder, or another
DATABASE_URL. \`perdure schedule add nightly-backup --job backup --cron "30 2 * * *"\` makes them by itself. Copy the folder
\`backups\` to another machine, and \`contents\` with it.`,
      ),
  'tokens remake': (command) =>
    command
      .addHelpText('after', exampleHelp('perdure tokens remake'))
      .description('on the machine of the server: make the token of its data folder anew')
      .addHelpText(
        'after',
        `
For when the file is lost or every token is revoked. It needs the data folder and the database, and no token. The token
that was in the file before is revoked; the others stay as they are. The log and the audit say so.`,
      ),
  sandbox: (command) =>
    command
      .addHelpText('after', exampleHelp('perdure sandbox doctor'))
      .description(
        'what this machine can give each kind of sandbox (doctor), and the image of containers (image build)',
      )
      .addArgument(new Argument('<what>').choices(['doctor', 'image build']))
      .option('--json', 'of doctor: as JSON')
      .option(
        '--from-host-debian',
        'of image build: from the package sources of this Debian by debootstrap, without a registry; needs root',
      ),
  // For compose files, where a container runs one of them.
  api: (command) => command.description('start the API alone, beside servers that run already'),
  worker: (command) => command.description('start a worker alone, beside servers that run already'),
};

const hidden = ['api', 'worker'];

/** The command as help describes it; it cannot be carried out from here. */
export function processSideCommand(name: string): Command {
  const describe = described[name];
  if (describe === undefined) throw new Error(`There is no command ${name} of the process side.`);
  const command = new Command(name.split(' ').at(-1)).usage('[options]').addHelpText('after', settings);
  return describe(command);
}

/** Commands of one word, for the list of all. */
export function processSideCommands(): { command: Command; hidden: boolean }[] {
  return names
    .filter((name) => !name.includes(' '))
    .map((name) => ({ command: processSideCommand(name), hidden: hidden.includes(name) }));
}

function nameOf([first = '', second = '']: string[]): string | undefined {
  return [`${first} ${second}`, first].find((name) => names.includes(name));
}

export function isProcessSide(args: string[]): boolean {
  return nameOf(args) !== undefined;
}

/** Writes the help that these arguments ask for; false when they ask for none. */
export function writeHelp(args: string[], write: (text: string) => void): boolean {
  const name = nameOf(args);
  if (name === undefined || !args.some((arg) => arg === '--help' || arg === '-h')) return false;
  // Under its parents, so that the usage shows the whole command.
  const words = ['perdure', ...name.split(' ').slice(0, -1)];
  const command = processSideCommand(name);
  words.reduceRight((child, word) => new Command(word).addCommand(child), command);
  command.configureOutput({ writeOut: write, getOutHasColors: () => false }).outputHelp();
  return true;
}

/** Runs the bootstrap in this terminal and ends with its exit code. */
export async function runProcessSide(bootstrap: string, args: string[]): Promise<number> {
  const child = spawn(process.execPath, [bootstrap, ...args], { stdio: 'inherit' });
  // A Ctrl-C reaches the child by itself, as a member of the terminal's group; we only must outlive it. Other
  // signals are sent to one process, and that is us.
  const stay = (): void => undefined;
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', stay).on('SIGTERM', pass).on('SIGHUP', pass);
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    process.off('SIGINT', stay).off('SIGTERM', pass).off('SIGHUP', pass);
  }
}
