// What differs between recorded trees, entry by entry: for code that goes on with it, not for people.
import { runGit } from './command.ts';
import { requireTree, type TreeEntry } from './tree-entry.ts';

export interface TreeChange {
  /** In the project, as latin1: not every name is UTF-8. */
  path: string;
  from: TreeEntry | null;
  to: TreeEntry | null;
}

export type TreePair = readonly [from: string, to: string];

/** Of each pair, in one call of git. */
export async function changesBetween(gitFolder: string, pairs: readonly TreePair[]): Promise<TreeChange[][]> {
  const different = pairs.filter(([from, to]) => from !== to);
  if (different.length === 0) return pairs.map(() => []);
  for (const tree of different.flat()) requireTree(tree);
  const args = ['diff-tree', '--stdin', '-r', '--raw', '-z', '--no-renames', '--no-abbrev'];
  const input = different.map((pair) => `${pair.join(' ')}\n`).join('');
  const { output } = await runGit({ gitFolder, args, input });
  const byPair = parse(output.toString('latin1'));
  return pairs.map((pair) => byPair.get(pair.join(' ')) ?? []);
}

/** A pair that differs begins with its two hashes in a line; NUL ends each field of the rest. */
function parse(output: string): Map<string, TreeChange[]> {
  const byPair = new Map<string, TreeChange[]>();
  const headLength = 81;
  let changes: TreeChange[] = [];
  for (let at = 0; at < output.length; ) {
    if (output[at] !== ':') {
      changes = [];
      byPair.set(output.slice(at, at + headLength), changes);
      at += headLength + 1;
      continue;
    }
    const end = output.indexOf('\0', at);
    const [oldMode = '', newMode = '', oldHash = '', newHash = ''] = output.slice(at + 1, end).split(' ');
    const nameEnd = output.indexOf('\0', end + 1);
    changes.push({
      path: output.slice(end + 1, nameEnd),
      from: entryOf(oldMode, oldHash),
      to: entryOf(newMode, newHash),
    });
    at = nameEnd + 1;
  }
  return byPair;
}

function entryOf(mode: string, hash: string): TreeEntry | null {
  return mode === '000000' ? null : { mode, hash };
}

/** A name in a tree, of one as people read it. */
export function toName(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** A name as people read it. */
export function toText(path: string): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}
