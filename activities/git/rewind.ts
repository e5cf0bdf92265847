// Brings a project back to a tree recorded in a run, as far as the run changed it. What others have changed since, and
// what cannot be told apart, stays and is named. Begun again after its process died, it goes on and ends the same.
import { bringFiles, type BroughtFiles } from './bring-files.ts';
import type { RecordTreeInput } from './tree.ts';
import { changesBetween, toName, type TreeChange, type TreePair } from './tree-changes.ts';
import { isSameEntry, type TreeEntry } from './tree-entry.ts';

/** What a run did to its project in one piece: by a call, or by being rewound. */
export interface RecordedSpan {
  before: string | null;
  after: string | null;
  /** Ignored files that are in `before`, and were in no tree until then. */
  firstSeen: readonly string[];
  /** What it started goes on: what changes until the next look is the run's too. */
  goesOn: boolean;
}

/** Between the two trees others had the project; these files may differ for another reason. */
interface OthersTurn {
  pair: TreePair;
  except: readonly string[];
}

/** When others had the project, from the tree `from` on. What was not recorded counts as theirs: it is never overwritten. */
export function othersTurns(from: string, spans: readonly RecordedSpan[], now: string): OthersTurn[] {
  const turns: OthersTurn[] = [];
  let known = from;
  const turnUntil = (tree: string, except: readonly string[] = []): void => {
    if (tree !== known) turns.push({ pair: [known, tree], except });
    known = tree;
  };
  spans.forEach(({ before, after, firstSeen, goesOn }, index) => {
    if (before !== null) turnUntil(before, firstSeen);
    const end = (goesOn ? spans[index + 1]?.before : undefined) ?? after;
    if (end === null) return;
    if (before === null) turnUntil(end);
    known = end;
  });
  turnUntil(now);
  return turns;
}

export interface Rewind {
  /** As the project stood when the rewind began. */
  was: string;
  to: string;
  /** What the run did to it since, in order. */
  spans: readonly RecordedSpan[];
  /** As everything of the run was recorded. */
  since: string | undefined;
  also: readonly string[];
}

export async function rewindProject(
  input: Omit<RecordTreeInput, 'since' | 'also'> & Rewind,
): Promise<BroughtFiles> {
  const { was, to, spans, since, ...given } = input;
  const recording: RecordTreeInput = { ...given, ...(since !== undefined && { since }) };
  const { gitFolder } = recording;
  const turns = othersTurns(to, spans, was);
  const [differing = [], ...others] = await changesBetween(gitFolder, [
    [was, to],
    ...turns.map(({ pair }) => pair),
  ]);
  const wanted = withFirstSeen(differing, await firstSeenAfter(gitFolder, to, spans));
  const theirs = new Set<string>();
  turns.forEach(({ except }, index) => {
    const excepted = new Set(except.map(toName));
    for (const { path } of others[index] ?? []) if (!excepted.has(path)) theirs.add(path);
  });
  return bringFiles({ recording, base: was, wanted, theirs, inPart: true });
}

/**
 * Ignored files that the run came to later, as they were then: no tree before has them, and nothing that is recorded had
 * changed them until then.
 */
async function firstSeenAfter(
  gitFolder: string,
  to: string,
  spans: readonly RecordedSpan[],
): Promise<Map<string, TreeEntry>> {
  const later = spans.flatMap(({ before, firstSeen }) =>
    before !== null && firstSeen.length > 0 ? [{ before, names: new Set(firstSeen.map(toName)) }] : [],
  );
  const seen = await changesBetween(
    gitFolder,
    later.map(({ before }): TreePair => [to, before]),
  );
  const found = new Map<string, TreeEntry>();
  later.forEach(({ names }, index) => {
    for (const { path, from, to: entry } of seen[index] ?? [])
      if (from === null && entry !== null && names.has(path) && !found.has(path)) found.set(path, entry);
  });
  return found;
}

function withFirstSeen(
  differing: readonly TreeChange[],
  firstSeen: ReadonlyMap<string, TreeEntry>,
): TreeChange[] {
  const wanted = new Map(differing.map((change) => [change.path, change]));
  for (const [path, to] of firstSeen) {
    const from = wanted.get(path)?.from ?? null;
    if (isSameEntry(from, to)) wanted.delete(path);
    else wanted.set(path, { path, from, to });
  }
  return [...wanted.values()];
}
