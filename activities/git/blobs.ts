// Reads recorded objects, what files hold above all, from the git directory the host owns.
import { GitProblem, runGit } from './command.ts';
import type { TreeChange } from './tree-changes.ts';
import { isNote, mostNoteBytes, type TreeEntry } from './tree-entry.ts';

/** What git says of objects, in the order of their hashes; `how` as `git cat-file` takes it. */
export async function askOf(
  gitFolder: string,
  hashes: readonly string[],
  how: string,
  maxBytes?: number,
): Promise<Buffer> {
  if (hashes.length === 0) return Buffer.alloc(0);
  const { output } = await runGit({
    gitFolder,
    args: ['cat-file', how],
    input: `${hashes.join('\n')}\n`,
    ...(maxBytes !== undefined && { maxBytes }),
  });
  return output;
}

/** In bytes, in the order of the hashes. */
export async function sizesOf(gitFolder: string, hashes: readonly string[]): Promise<number[]> {
  const output = await askOf(gitFolder, hashes, '--batch-check=%(objectsize)');
  const sizes = output.toString('latin1').split('\n');
  return hashes.map((hash, at) => (/^\d+$/.test(sizes[at] ?? '') ? Number(sizes[at]) : missing(hash)));
}

/** In the order of the hashes. All of it is in memory: the caller knows the sizes. */
export async function contentsOf(gitFolder: string, hashes: readonly string[]): Promise<Buffer[]> {
  const output = await askOf(gitFolder, hashes, '--batch', Number.MAX_SAFE_INTEGER);
  let at = 0;
  return hashes.map((hash) => {
    const start = output.indexOf(0x0a, at) + 1;
    const [, size] = /^\w{40} blob (\d+)\n$/.exec(output.toString('latin1', at, start)) ?? missing(hash);
    at = start + Number(size) + 1;
    return output.subarray(start, at - 1);
  });
}

function missing(hash: string | undefined): never {
  throw new GitProblem(`what a file held is not recorded any more: ${hash} is missing`);
}

/** Which of the wanted contents only say that a file was too large. */
export async function notesAmong(gitFolder: string, wanted: readonly TreeChange[]): Promise<Set<string>> {
  const isPlain = (entry: TreeEntry | null): entry is TreeEntry => entry?.mode === '100644';
  const hashes = [...new Set(wanted.flatMap(({ to }) => (isPlain(to) ? [to.hash] : [])))];
  const sizes = await sizesOf(gitFolder, hashes);
  const small = hashes.filter((_hash, at) => (sizes[at] ?? 0) <= mostNoteBytes);
  const contents = await contentsOf(gitFolder, small);
  return new Set(small.filter((_hash, at) => isNote.test(contents[at]?.toString('latin1') ?? '')));
}
