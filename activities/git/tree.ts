// Records what a project holds as a git tree in a directory the host owns, and tells what changed between two. The
// project's own repository, index and branches are never used, and nothing the project holds is run.
import { realpath } from 'node:fs/promises';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { requireTree } from './tree-entry.ts';
import { GitProblem, PipeInTheWay, runGit } from './command.ts';
import { dropIndex, ensureGitFolder, openIndex } from './folder.ts';
import { keepRules, rulesNow, rulesOf, withExclude } from './ignore-rules.ts';
import { projectFiles } from './project-files.ts';
import { recordFiles, type Progress } from './record-files.ts';

export { GitProblem } from './command.ts';

export interface RecordTreeInput {
  project: string;
  /** Outside the project; one for each project, shared by its runs. */
  gitFolder: string;
  /** The tree recorded at the start: its files are recorded even if the project has come to ignore them. */
  since?: string;
  /** Names of files that are recorded even if they are ignored, where they exist. */
  also?: readonly string[];
  /** What its last recording is remembered by, where other places have the same git folder. */
  lastIndex?: string;
  /** A folder that is never recorded when it lies in the project: the data folder. */
  exclude?: string;
  /** Told between parts of a first recording of many files. */
  progress?: Progress | undefined;
}

export interface ChangedFile {
  path: string;
  status: 'added' | 'modified' | 'deleted';
}

export interface TreeDiff {
  diff: string;
  files: ChangedFile[];
  truncated: boolean;
}

// A longer list of names helps no reader.
const maxFiles = 10_000;

export interface RecordedTree {
  tree: string;
  /** Which of `also` are in it for that reason alone. */
  ignored: string[];
}

/** The hash of the tree. Several may record the same project at the same time. */
export async function recordTree(input: RecordTreeInput): Promise<string> {
  return (await recordWith(input)).tree;
}

export async function recordWith(input: RecordTreeInput): Promise<RecordedTree> {
  const { gitFolder, since, exclude, progress, also = [], lastIndex } = input;
  const project = await realpath(input.project).catch(() => {
    throw new GitProblem(`the project directory ${input.project} is gone`);
  });
  requireTree(since);
  await ensureGitFolder(gitFolder);
  const index = await openIndex(gitFolder, lastIndex);
  try {
    const rules =
      since === undefined
        ? await rulesNow(project, gitFolder, index)
        : await rulesOf(gitFolder, since, project);
    const { files, before, ignored } = await projectFiles({
      project,
      gitFolder: await realpath(gitFolder),
      scratch: index,
      since,
      also,
      rules,
      exclude: exclude && (await realpath(exclude).catch(() => exclude)),
    });
    const tree = await withExclude(index, rules.excludes[''] ?? '', async (excludesFile) => {
      const recording = { index, project, gitFolder, files, before, excludesFile, progress, lastIndex };
      return recordFiles(recording).catch(async (error: unknown) => {
        if (!(error instanceof GitProblem) || error instanceof PipeInTheWay) throw error;
        // The last index may be damaged by a full disk; without it everything is read again.
        await dropIndex(index);
        return await recordFiles({ ...recording, before: [] });
      });
    });
    if (since === undefined) await keepRules(gitFolder, tree, rules);
    return { tree, ignored };
  } finally {
    await dropIndex(index);
  }
}

/** What the project holds now against a tree recorded before. */
export async function diffTree(
  input: Omit<RecordTreeInput, 'since'> & { tree: string; maxBytes: number },
): Promise<TreeDiff> {
  const { gitFolder, tree, maxBytes } = input;
  const now = await recordTree({ ...input, since: tree });
  return await diffTrees({ gitFolder, from: tree, to: now, maxBytes });
}

/** What changed between two recorded trees, such as those of a run's start and its end. */
export async function diffTrees(input: {
  gitFolder: string;
  from: string;
  to: string;
  maxBytes: number;
}): Promise<TreeDiff> {
  const { gitFolder, from, to, maxBytes } = input;
  requireTree(from);
  requireTree(to);
  // An empty folder is recorded as what git takes for a submodule, and shows in no patch.
  const base =
    'diff-tree -r --no-renames --no-ext-diff --no-textconv --no-color --ignore-submodules=all'.split(' ');
  const names = await runGit({ gitFolder, args: [...base, '--name-status', '-z', from, to] });
  const patch = await runGit({ gitFolder, args: [...base, '--patch', from, to], maxBytes });
  const files = toChangedFiles(names.output);
  return {
    diff: toText(patch.output, patch.truncated),
    files: files.slice(0, maxFiles),
    truncated: patch.truncated || files.length > maxFiles,
  };
}

function toChangedFiles(output: Buffer): ChangedFile[] {
  const words: Record<string, ChangedFile['status']> = { A: 'added', D: 'deleted' };
  const fields = output.toString('utf8').split('\0');
  const files: ChangedFile[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    files.push({ path: fields[at + 1] as string, status: words[fields[at] as string] ?? 'modified' });
  }
  return files;
}

/** Cut at a line, and storable: a file may hold NUL behind the part git looks at to call it text. */
function toText(output: Buffer, truncated: boolean): string {
  const whole = truncated ? output.subarray(0, output.lastIndexOf(0x0a) + 1) : output;
  return toStorableOutput(whole.toString('utf8'));
}
