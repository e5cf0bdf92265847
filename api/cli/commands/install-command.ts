// `perdure install-command`: puts the word `perdure` on the PATH, as a link to this checkout. Nothing is fetched: a package
// of that name in a registry is another program, and `npx perdure` would fetch it where this one is not installed.
import { accessSync, constants, lstatSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { commandOnPath } from '../../../activities/host/command-on-path.ts';
import { UsageError } from '../server.ts';
import { exampleHelp } from '../terminal/example-help.ts';
import type { Cli } from '../surroundings.ts';

interface InstallOptions {
  folder?: string;
  force?: boolean;
}

export function installCommand(cli: Cli, installFolder: string): Command {
  return new Command('install-command')
    .addHelpText('after', exampleHelp('perdure install-command --folder ~/bin'))
    .description('put `perdure` on the PATH, as a link to this checkout')
    .option('--folder <dir>', 'the folder of the link; else the first of the usual ones that is on the PATH')
    .option('--force', 'replace a link that leads to another place')
    .action(({ folder, force }: InstallOptions) => {
      const { environment, output } = cli;
      const program = realpathSync(join(installFolder, 'worker', 'perdure.mjs'));
      const chosen = folder === undefined ? usualFolder(environment, program) : resolve(cli.folder, folder);
      const link = join(chosen, 'perdure');
      const isNew = place(link, program, force === true);
      output.line(`perdure is ${isNew ? 'now' : 'already'} ${link}, a link to ${program}`);
      const meant = commandOnPath('perdure', environment.PATH);
      if (meant === undefined) output.remark(`Add it to your PATH: export PATH="${chosen}:$PATH"`);
      else if (meant !== program)
        output.remark(`Another perdure comes before it on your PATH: ${meant}. Put ${chosen} before it.`);
    });
}

/** A person's own folders before those of the machine. */
function usualFolder({ HOME, PATH = '' }: Cli['environment'], program: string): string {
  const own = HOME ? [join(HOME, '.local', 'bin'), join(HOME, 'bin')] : [];
  const onPath = new Set(PATH.split(delimiter).map((each) => resolve('/', each)));
  const usual = [...own, '/usr/local/bin', '/opt/homebrew/bin'].find(
    (folder) => onPath.has(folder) && isWritable(folder),
  );
  if (usual !== undefined) return usual;
  throw new UsageError(
    `None of the usual folders is on your PATH and writable: name one with --folder, or write in your shell: alias perdure='node ${program}'`,
  );
}

/** Also when it is not there yet: then it can be made. */
function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' && dirname(folder) !== folder && isWritable(dirname(folder));
  }
}

/** False when the link was there already. */
function place(link: string, program: string, force: boolean): boolean {
  try {
    mkdirSync(dirname(link), { recursive: true });
    const there = lstatSync(link, { throwIfNoEntry: false });
    if (there !== undefined) {
      if (leadsTo(link) === program) return false;
      if (!there.isSymbolicLink())
        throw new UsageError(`${link} is another program: move it away, or name another --folder.`);
      if (!force)
        throw new UsageError(
          `${link} is a link to another place: replace it with --force, or name another --folder.`,
        );
      rmSync(link);
    }
    symlinkSync(program, link);
    return true;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(
      `${link} cannot be made (${(error as NodeJS.ErrnoException).code}): name another --folder.`,
    );
  }
}

/** Undefined when it leads nowhere. */
function leadsTo(link: string): string | undefined {
  try {
    return realpathSync(link);
  } catch {
    return undefined;
  }
}
