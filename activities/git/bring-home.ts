// Brings what changed in a run's own tree to the project it was made from, file by file. A file that is not there as the
// run found it was changed by another meanwhile: it is named, and never overwritten.
import { restoreFiles } from './restore.ts';
import type { KeptFile } from './rewind.ts';
import { recordTree, type RecordTreeInput } from './tree.ts';
import { changesBetween, toText } from './tree-changes.ts';
import { notesAmong } from './rewind.ts';
import { isSameEntry } from './tree-entry.ts';

export interface BroughtHome {
  /** The project's tree afterwards. */
  tree: string;
  /** How many files have come home. */
  restored: number;
  kept: KeptFile[];
}

/** With conflicts nothing is changed, unless it is told to leave only those out. */
export async function bringHome(
  input: RecordTreeInput & { from: string; to: string; exceptConflicts: boolean },
): Promise<BroughtHome> {
  const { from, to, exceptConflicts, ...given } = input;
  const { project, gitFolder } = given;
  const [wanted = []] = await changesBetween(gitFolder, [[from, to]]);
  // What the project ignores and the run made anew may be there all the same, such as a person's .env.
  const also = [...(given.also ?? []), ...wanted.map(({ path }) => toText(path))];
  const recording = { ...given, also };
  const now = await recordTree(recording);
  const [theirs = []] = await changesBetween(gitFolder, [[from, now]]);
  const current = new Map(theirs.map((change) => [change.path, change.to]));
  const notes = await notesAmong(gitFolder, wanted);
  const kept: KeptFile[] = [];
  let done = 0;
  const todo = wanted.filter((change) => {
    const stands = current.has(change.path) ? (current.get(change.path) ?? null) : change.from;
    const why: KeptFile['why'] | undefined =
      change.to !== null && notes.has(change.to.hash)
        ? 'too-large'
        : isSameEntry(stands, change.from)
          ? undefined
          : 'changed';
    if (isSameEntry(stands, change.to)) {
      done += 1;
      return false;
    }
    if (why !== undefined) kept.push({ path: toText(change.path), why });
    return why === undefined;
  });
  if (kept.length > 0 && !exceptConflicts) return { tree: now, restored: 0, kept };
  const blocked = await restoreFiles({ project, gitFolder }, todo);
  kept.push(...blocked.map((path): KeptFile => ({ path: toText(path), why: 'in-the-way' })));
  const tree = await recordTree(recording);
  return { tree, restored: done + todo.length - blocked.length, kept };
}
