// Brings files of a project from what one recorded tree holds to what another does, as far as nothing of others' is lost:
// what was changed since the first stays and is named. Begun again after its process died, it goes on and ends the same.
import { notesAmong } from './blobs.ts';
import { dropHalfWritten, restoreFiles, withoutRoom } from './restore.ts';
import { isNothing, judge, type KeptFile } from './standing.ts';
import { recordTree, type RecordTreeInput } from './tree.ts';
import { changesBetween, toText, type TreeChange } from './tree-changes.ts';

export interface BroughtFiles {
  /** The project's tree afterwards. */
  tree: string;
  /** How many files are as wanted, by this attempt or by one before it. */
  restored: number;
  kept: KeptFile[];
}

export async function bringFiles(input: {
  recording: RecordTreeInput;
  /** The tree that the changes begin at. */
  base: string;
  wanted: readonly TreeChange[];
  /** Files that others changed before that. */
  theirs: ReadonlySet<string>;
  /** Whether some are brought where others are kept. */
  inPart: boolean;
}): Promise<BroughtFiles> {
  const { recording, base, wanted, theirs, inPart } = input;
  const now = await recordTree(recording);
  const [moved = []] = await changesBetween(recording.gitFolder, [[base, now]]);
  const movedTo = new Map(moved.map(({ path, to }) => [path, to]));
  const notes = await notesAmong(recording.gitFolder, wanted);
  const kept: KeptFile[] = [];
  const left: TreeChange[] = [];
  const keep = (change: TreeChange, why: KeptFile['why']): void => {
    kept.push({ path: toText(change.path), why });
    left.push(change);
  };
  const due: TreeChange[] = [];
  let done = 0;
  for (const change of wanted) {
    const { path, from, to } = change;
    const how = judge(movedTo.has(path) ? (movedTo.get(path) ?? null) : from, change);
    if (how === 'done') done += 1;
    if (how === 'done' && !isNothing(to)) continue;
    if (theirs.has(path)) keep(change, 'changed');
    else if (how !== 'done' && how !== 'due') keep(change, how);
    else if (to !== null && notes.has(to.hash)) keep(change, 'too-large');
    // Of what is gone, the folders that are empty without it may be left.
    else due.push(change);
  }
  const blocked = new Set(await withoutRoom(recording, due));
  for (const change of blocked) keep(change, 'in-the-way');
  const stops = kept.length > 0 && !inPart;
  const brought = stops ? [] : due.filter((change) => !blocked.has(change));
  await dropHalfWritten(recording, stops ? wanted : left);
  kept.push(...(await restoreFiles(recording, brought)));
  kept.sort((one, other) => (one.path < other.path ? -1 : 1));
  const tree = await recordTree(recording);
  return { tree, restored: stops ? done : wanted.length - kept.length, kept };
}
