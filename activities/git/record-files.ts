// Writes the files of a project into the host-owned git directory, and the tree that names them.
import type { Stats } from 'node:fs';
import { emptyFolders } from './empty-folders.ts';
import { GitProblem, PipeInTheWay, runGit } from './command.ts';
import { keepIndex } from './folder.ts';
import { emptyFolder, noteOf } from './tree-entry.ts';
import type { ProjectFile } from './project-files.ts';

/** How many of the files are recorded so far. */
export type Progress = (recorded: number, files: number) => void;

interface Recording {
  /** An index file of this recording alone, filled from the last one if there was one. */
  index: string;
  project: string;
  gitFolder: string;
  files: ProjectFile[];
  /** What the index names. */
  before: string[];
  /** A rule file of what is ignored beside the project's own. */
  excludesFile: string | undefined;
  progress: Progress | undefined;
  lastIndex: string | undefined;
}

// Source files are far smaller. Of a larger file the tree holds a note of size and time: that it changed is told,
// and a model checkpoint does not double the disk.
export const maxFileBytes = 50 * 1024 * 1024;
// Each file that cannot be recorded costs a few calls of git; a project of nothing else is refused.
const maxCalls = 400;
// A first recording is written in parts, so that its progress can be told: of a second or so each. Git searches all of a
// part for each of its files and reads the whole index for each part, so that neither may be large.
const partFiles = 5_000;
const mostParts = 20;
// Below this a pack saves nothing worth a question for git's version.
const packedFiles = 1_000;

/** The hash of the tree. */
export async function recordFiles(recording: Recording): Promise<string> {
  const { index, project, gitFolder, files, before } = recording;
  const git = async (args: string[], input?: Buffer): Promise<Buffer> =>
    (await runGit({ gitFolder, workTree: project, indexFile: index, args, ...(input && { input }) })).output;
  const wanted = new Set(files.map(({ path }) => path));
  const gone = before.filter((path) => !wanted.has(path));
  const notes: string[] = gone.map((path) => `0 ${'0'.repeat(40)}\t${path}`);
  for (const { stat, path } of files) {
    if (!isLarge(stat)) continue;
    const note = noteOf(stat);
    const hash = (await git(['hash-object', '-w', '--stdin', '--no-filters'], Buffer.from(note)))
      .toString()
      .trim();
    notes.push(`0 ${'0'.repeat(40)}\t${path}`, `100644 ${hash}\t${path}`);
    wanted.delete(path);
  }
  if (notes.length > 0) await git(['update-index', '-z', '--index-info'], toInput(notes));
  const known = new Set(before);
  for (const { stat, path } of files) if (stat === undefined && known.has(path)) wanted.delete(path);
  await addFiles(recording, [...wanted], before.length === 0);
  const empty = await emptyFolders(recording);
  if (empty.length > 0)
    await git(
      ['update-index', '-z', '--index-info'],
      toInput(empty.map((path) => `${emptyFolder.mode} ${emptyFolder.hash}\t${path}`)),
    );
  const tree = (await git(['write-tree'])).toString('latin1').trim();
  await keepIndex(gitFolder, index, recording.lastIndex);
  return tree;
}

async function addFiles(
  { index, project, gitFolder, progress }: Recording,
  paths: string[],
  isFirst: boolean,
): Promise<void> {
  const settings = isFirst && paths.length >= packedFiles && (await canPack(gitFolder)) ? packing : [];
  const args = ['update-index', '--add', '--remove', '-z', '--stdin'];
  let calls = 0;
  const add = async (some: string[], how: string[]): Promise<void> => {
    calls += 1;
    if (calls > maxCalls) throw new GitProblem(`too many files of ${project} cannot be read`);
    try {
      const input = toInput(some);
      await runGit({ gitFolder, workTree: project, indexFile: index, settings: how, args, input });
    } catch (error) {
      if (!(error instanceof GitProblem) || error instanceof PipeInTheWay) throw error;
      // One file that cannot be read, or changes while it is, must not cost the others: halve until it is alone. A pack
      // that was begun is lost with each failure, so that there is no second one.
      if (some.length <= 1) return;
      const middle = some.length >> 1;
      await add(some.slice(0, middle), []);
      await add(some.slice(middle), []);
    }
  };
  // What was recorded before is only looked at, which is quick.
  const size = isFirst ? Math.max(partFiles, Math.ceil(paths.length / mostParts)) : paths.length;
  for (let at = 0; at < paths.length; at += size) {
    if (at > 0) progress?.(at, paths.length);
    await add(paths.slice(at, at + size), settings);
  }
}

// Files above the threshold go into one pack for each call, the others into a file each: fifty thousand small ones take
// 13 MB instead of 207, and a quarter less time. Nothing leaves a pack until the whole folder goes, which is why only the
// first recording of a project makes any.
const packing = ['core.bigFileThreshold=1'];

/** Before 2.38 git may write a pack for each file. */
async function canPack(gitFolder: string): Promise<boolean> {
  const { output } = await runGit({ gitFolder, args: ['--version'] });
  const [, major, minor] = /(\d+)\.(\d+)/.exec(output.toString('latin1')) ?? [];
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 38);
}

function isLarge(stat: Stats | undefined): stat is Stats {
  return stat !== undefined && stat.isFile() && stat.size > maxFileBytes;
}

function toInput(lines: string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\0`).join(''), 'latin1');
}
