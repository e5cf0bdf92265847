// Puts the files that messages carry where the run works, before its call acts: in a folder of ours that git ignores, by
// their hash, and only where nothing is. So no file of a project is ever overwritten, and what an agent made of one stays.
import { partsFolder, placeOfPart } from '../../workflows/contracts/message.ts';
import type { ActivityDeps } from '../deps.ts';
import { untilStored } from '../store/db/until-stored.ts';
import { partsOfContext } from '../store/runs/parts.ts';
import type { RunRow } from '../store/runs/runs.ts';

/** `root`: where it works, once that is there. Throws SandboxRefusal where something is in the way. */
export async function placeFiles(
  { log, contents, withFiles }: ActivityDeps,
  run: RunRow,
  root: string,
): Promise<void> {
  const parts = await untilStored(() => partsOfContext(log.db, run.tenant_id, run.id));
  await withFiles(root, undefined, async (files) => {
    for (const part of parts) {
      const place = placeOfPart(part);
      if (place === undefined || part.content === undefined) continue;
      if (await files.stat(place)) continue;
      const found = await untilStored(() => contents.get(run.tenant_id, part.content ?? ''));
      if (found === undefined) continue;
      // First: nothing in the folder is ever recorded as a change of the project.
      const ignore = `${partsFolder}/.gitignore`;
      if (!(await files.stat(ignore))) await files.write(ignore, Buffer.from('*\n'));
      await files.write(place, found.bytes);
    }
  });
}
