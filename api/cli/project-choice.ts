// Which directory a run works in: the one that is named, else the one the command is called in.
import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { StartRunBody } from '../../workflows/contracts/run.ts';
import { UsageError } from './server.ts';
import type { Cli } from './surroundings.ts';

/** What `--project` takes for a scratch folder; a directory of that name is `./none`. */
export const noProject = 'none';

/** What `--executor` takes for the machine of the server. */
export const noExecutor = 'none';

/** Undefined keeps the conversation's. */
export function chooseProject(
  cli: Cli,
  given: { project?: string; workspace?: string; conversation?: string; executor?: string },
): StartRunBody['project'] {
  const { project, workspace, conversation, executor } = given;
  if (workspace !== undefined) return undefined;
  if (project === noProject) return null;
  const isElsewhere = executor !== undefined && executor !== noExecutor;
  if (project !== undefined)
    return { path: isElsewhere ? absolute(project, `the machine of ${executor}`) : namedPath(cli, project) };
  if (conversation !== undefined) return undefined;
  if (isElsewhere)
    throw new UsageError(
      `Name a directory on the machine of ${executor} with --project, or say --project none for a scratch folder.`,
    );
  if (!cli.onThisMachine()) {
    throw new UsageError(
      'The server is on another machine, where a run cannot work in this directory: name a directory of that machine ' +
        'with --project, or say --project none for a scratch folder.',
    );
  }
  const { folder } = cli;
  const home = cli.environment.HOME || homedir();
  // The directory a command is called in has no links in its path; a home may be named by one.
  if (![home, realPath(home)].some((each) => isTooWide(folder, each))) return { path: folder };
  cli.output.remark(
    `perdure: ${folder} holds more than one project, so the run gets a scratch folder; to let it work here, say --project .`,
  );
  return null;
}

/** A directory to look for runs by: they are kept under its real path, which only this machine can tell. */
export function folderOfRuns(cli: Cli, project: string): string {
  const folder = resolve(cli.folder, project);
  return cli.onThisMachine() ? realPath(folder) : folder;
}

/** `what` begins the sentence of a refusal. */
export function namedPath(cli: Cli, project: string, what = '--project'): string {
  return cli.onThisMachine() ? resolve(cli.folder, project) : absolute(project, 'another machine', what);
}

function absolute(project: string, where: string, what = '--project'): string {
  if (isAbsolute(project)) return resolve(project);
  throw new UsageError(
    `${what} must be an absolute path: the run works on ${where}, and ${project} is taken from this one.`,
  );
}

function realPath(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

/** The root, a person's home, or a directory above it: an agent is let loose there only where a person says so. */
function isTooWide(folder: string, home: string): boolean {
  for (let above = resolve(home); ; above = dirname(above)) {
    if (folder === above) return true;
    if (above === dirname(above)) return false;
  }
}
