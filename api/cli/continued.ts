// The conversation that `perdure run --continue` goes on with.
import { folderOfRuns, noProject } from './project-choice.ts';
import { UsageError } from './server.ts';
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
