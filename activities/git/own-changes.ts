// What a run itself changed in its project, apart from what others changed there meanwhile: told by the looks before and
// after each of its calls.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { runGit } from './command.ts';
import { dropIndex } from './folder.ts';
import { othersTurns, type RecordedSpan } from './rewind.ts';
import { type ChangedFile, diffTrees, type TreeDiff } from './tree.ts';
import { changesBetween, toName, toText, type TreeChange, type TreePair } from './tree-changes.ts';
import { isSameEntry, type TreeEntry } from './tree-entry.ts';

export interface OwnChanges extends TreeDiff {
  /** What others changed while the run was at work. */
  others: ChangedFile[];
}

/**
 * A file that another changed between two changes of the run's stands in the diff once for each. `end`: the project as
 * the run has left it, or as it is now.
 */
export async function ownChanges(input: {
  gitFolder: string;
  start: string;
  end: string;
  spans: readonly RecordedSpan[];
  maxBytes: number;
}): Promise<OwnChanges> {
  const { gitFolder, start, end, spans, maxBytes } = input;
  const own = spans.flatMap(({ before, after, goesOn }, index): TreePair[] => {
    const next = spans.slice(index + 1).find((span) => span.before !== null)?.before ?? end;
    const until = goesOn || after === null ? next : after;
    return before === null ? [] : [[before, until]];
  });
  const turns = othersTurns(start, spans, end);
  const changes = await changesBetween(gitFolder, [...own, ...turns.map(({ pair }) => pair)]);
  const pieces = piecesOf(changes.slice(0, own.length));
  const parts: TreeDiff[] = [];
  const most = Math.max(0, ...[...pieces.values()].map((each) => each.length));
  for (let at = 0; at < most; at += 1) {
    const layer = [...pieces.values()].flatMap((each) => each[at] ?? []);
    parts.push(await diffOf(gitFolder, layer, maxBytes));
  }
  const others = turns.flatMap(({ except }, index) => {
    const excepted = new Set(except.map(toName));
    return (changes[own.length + index] ?? []).filter(({ path }) => !excepted.has(path));
  });
  return {
    diff: parts.map(({ diff }) => diff).join(''),
    files: [...pieces].map(([path, of]) => changedFile(path, of[0]?.from ?? null, of.at(-1)?.to ?? null)),
    truncated: parts.some(({ truncated }) => truncated),
    others: [...piecesOf([others])].map(([path, of]) =>
      changedFile(path, of[0]?.from ?? null, of.at(-1)?.to ?? null),
    ),
  };
}

/** Of each file, changes that follow on each other as one; without those that were taken back. */
function piecesOf(calls: readonly TreeChange[][]): Map<string, TreeChange[]> {
  const pieces = new Map<string, TreeChange[]>();
  for (const change of calls.flat()) {
    const known = pieces.get(change.path) ?? [];
    const last = known.at(-1);
    if (last && isSameEntry(last.to, change.from)) known[known.length - 1] = { ...last, to: change.to };
    else known.push(change);
    pieces.set(change.path, known);
  }
  for (const [path, known] of pieces) {
    const left = known.filter(({ from, to }) => !isSameEntry(from, to));
    if (left.length === 0) pieces.delete(path);
    else pieces.set(path, left);
  }
  return pieces;
}

async function diffOf(gitFolder: string, layer: readonly TreeChange[], maxBytes: number): Promise<TreeDiff> {
  const from = await treeOf(gitFolder, layer, (change) => change.from);
  const to = await treeOf(gitFolder, layer, (change) => change.to);
  return diffTrees({ gitFolder, from, to, maxBytes });
}

async function treeOf(
  gitFolder: string,
  layer: readonly TreeChange[],
  entryOf: (change: TreeChange) => TreeEntry | null,
): Promise<string> {
  const indexFile = join(gitFolder, 'indexes', randomUUID());
  const lines = layer.flatMap((change) => {
    const entry = entryOf(change);
    return entry === null ? [] : [`${entry.mode} ${entry.hash}\t${change.path}\0`];
  });
  try {
    const input = Buffer.from(lines.join(''), 'latin1');
    await runGit({ gitFolder, indexFile, args: ['update-index', '--replace', '-z', '--index-info'], input });
    return (await runGit({ gitFolder, indexFile, args: ['write-tree'] })).output.toString('latin1').trim();
  } finally {
    await dropIndex(indexFile);
  }
}

function changedFile(path: string, from: TreeEntry | null, to: TreeEntry | null): ChangedFile {
  const status = from === null ? 'added' : to === null ? 'deleted' : 'modified';
  return { path: toText(path), status };
}
