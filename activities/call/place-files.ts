// Puts the files that messages carry where the run works, before its call acts: in a folder of ours that git ignores, by
// their hash, and only where nothing is. So no file of a project is ever overwritten, and what an agent made of one stays.
import { partsFolder, placeOfPart, type StoredPart } from '../../workflows/contracts/message.ts';
import type { ActivityDeps } from '../deps.ts';
import { type Files, SandboxRefusal } from '../sandbox/sandbox.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { ContentLost } from '../store/log/contents.ts';
import { partsOfContext } from '../store/runs/parts.ts';
import type { RunRow } from '../store/runs/runs.ts';
import { toSentence } from '../tools/answer.ts';
import type { Tool } from '../tools/tool.ts';

/**
 * `root`: where it works, once that is there. Says what cannot be put there, if anything: the call does without, since
 * most do not need it, and it will not be there for the next try either.
 */
export async function placeFiles(deps: ActivityDeps, run: RunRow, root: string): Promise<string | undefined> {
  const parts = await untilStored(() => partsOfContext(deps.log.db, run.tenant_id, run.id));
  const missing: string[] = [];
  const miss = (error: unknown): void => {
    if (!(error instanceof SandboxRefusal || error instanceof ContentLost)) throw error;
    missing.push(error.message);
  };
  await deps
    .withFiles(root, undefined, async (files) => {
      for (const part of parts) await placePart(deps, run, files, part).catch(miss);
    })
    .catch(miss);
  const [first] = missing;
  return first && `Attached files that could not be put in place: ${missing.length}. ${toSentence(first)}`;
}

async function placePart(
  { contents }: ActivityDeps,
  run: RunRow,
  files: Files,
  part: StoredPart,
): Promise<void> {
  const { content } = part;
  const place = placeOfPart(part);
  if (place === undefined || content === undefined) return;
  if (await files.stat(place)) return;
  const found = await untilStored(() => contents.get(run.tenant_id, content));
  if (found === undefined) return;
  // First: nothing in the folder is ever recorded as a change of the project.
  const ignore = `${partsFolder}/.gitignore`;
  if (!(await files.stat(ignore))) await files.write(ignore, Buffer.from('*\n'));
  await files.write(place, found.bytes);
}

/** The tool, saying behind each of its answers what is missing. */
export function withMissing(tool: Tool, missing: string): Tool {
  return {
    ...tool,
    async run(...given) {
      const result = await tool.run(...given);
      return { ...result, output: `${result.output}\n[${missing}]` };
    },
  };
}
