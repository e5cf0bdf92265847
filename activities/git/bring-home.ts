// Brings what changed in a run's own tree to the project it was made from, file by file. A file that is not there as the
// run found it was changed by another meanwhile: it is named, and never overwritten.
import { bringFiles, type BroughtFiles } from './bring-files.ts';
import type { RecordTreeInput } from './tree.ts';
import { changesBetween, toText } from './tree-changes.ts';

/** With conflicts nothing is changed, unless it is told to leave only those out. */
export async function bringHome(
  input: RecordTreeInput & { from: string; to: string; exceptConflicts: boolean },
): Promise<BroughtFiles> {
  const { from, to, exceptConflicts, ...given } = input;
  const [wanted = []] = await changesBetween(given.gitFolder, [[from, to]]);
  // What the project ignores and the run made anew may be there all the same, such as a person's .env.
  const also = [...(given.also ?? []), ...wanted.map(({ path }) => toText(path))];
  const theirs = new Set<string>();
  return bringFiles({
    recording: { ...given, also },
    ...{ base: from, wanted, theirs, inPart: exceptConflicts },
  });
}
