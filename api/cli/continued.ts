// The conversation that `perdure run --continue` goes on with, and what is said where one goes on from earlier.
import type { StartRunBody } from '../../workflows/contracts/run.ts';
import { folderOfRuns, noProject } from './project-choice.ts';
import { UsageError } from './server.ts';
import type { Start } from './start-and-show.ts';
import type { Cli } from './surroundings.ts';
import { toAge } from './terminal/figures.ts';
import { shortId } from './terminal/short-id.ts';
import { firstWords } from './terminal/table.ts';

/** Of the newest run in this directory, or of the newest run of all with the project `none`; says which on stderr. */
export async function latestConversation(cli: Cli, project: string | undefined): Promise<string> {
  const folder = project === noProject ? undefined : folderOfRuns(cli, project ?? '.');
  const { items } = await cli.client().runs({ limit: 1, ...(folder !== undefined && { project: folder }) });
  const [latest] = items;
  if (latest === undefined) {
    throw new UsageError(
      folder === undefined
        ? 'There is no conversation yet: leave --continue out.'
        : `No run has worked in exactly ${folder} yet: leave --continue out, name another directory with --project, or go on with the latest conversation of all by --project none.`,
    );
  }
  const { conversationId, createdAt, prompt } = latest;
  cli.output.remark(
    `Continuing conversation ${shortId(conversationId)} of ${toAge(createdAt)}: ${firstWords(prompt, 60)}`,
  );
  return conversationId;
}

/** Once it is accepted, says that the context goes back and the directory does not. */
export function sayingFilesStay(cli: Cli, project: StartRunBody['project'], start: Start): Start {
  return async (client, signal) => {
    const accepted = await start(client, signal);
    if (project !== null) {
      const how = '`perdure undo RUN` takes back what one of those changed.';
      cli.output.remark(`Files stay as later runs left them; ${how}`);
    }
    return accepted;
  };
}
