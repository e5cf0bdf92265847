// Records what a project holds as a git tree in a directory the host owns, and tells what changed between two. The
// project's own repository, index and branches are never used, and nothing the project holds is run.
import { realpath } from 'node:fs/promises';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { GitProblem, runGit } from './command.ts';
import { dropIndex, ensureGitFolder, keepIndex, openIndex } from './folder.ts';
import { keepRules, rulesNow, rulesOf } from './ignore-rules.ts';
import { projectFiles, type ProjectFile } from './project-files.ts';

export { GitProblem } from './command.ts';

interface RecordTreeInput {
  project: string;
  /** Outside the project; one for each project, shared by its runs. */
  gitFolder: string;
  /** The tree recorded at the start: its files are recorded even if the project has come to ignore them. */
  since?: string;
  /** A folder that is never recorded when it lies in the project: the data folder. */
  exclude?: string;
}

interface ChangedFile {
  path: string;
  status: 'added' | 'modified' | 'deleted';
}

interface TreeDiff {
  diff: string;
  files: ChangedFile[];
  truncated: boolean;
}

// Source files are far smaller. Of a larger file the tree holds a note of size and time: that it changed is told,
// and a model checkpoint does not double the disk.
const maxFileBytes = 64 * 1024 * 1024;
// Each file that cannot be recorded costs a few calls of git; a project of nothing else is refused.
const maxCalls = 400;
// A longer list of names helps nobody.
const maxFiles = 10_000;

/** The hash of the tree. Several may record the same project at the same time. */
export async function recordTree(input: RecordTreeInput): Promise<string> {
  const { gitFolder, since, exclude } = input;
  const project = await realpath(input.project).catch(() => {
    throw new GitProblem(`the project directory ${input.project} is gone`);
  });
  requireTree(since);
  await ensureGitFolder(gitFolder);
  const index = await openIndex(gitFolder);
  try {
    const rules =
      since === undefined
        ? await rulesNow(project, gitFolder, index)
        : await rulesOf(gitFolder, since, project);
    const files = await projectFiles({
      project,
      gitFolder: await realpath(gitFolder),
      scratch: index,
      since,
      rules,
      exclude: exclude && (await realpath(exclude).catch(() => exclude)),
    });
    const tree = await recordInto(index, project, gitFolder, files).catch(async (error: unknown) => {
      if (!(error instanceof GitProblem)) throw error;
      // The last index may be damaged by a full disk; without it everything is read again.
      await dropIndex(index);
      return await recordInto(index, project, gitFolder, files);
    });
    if (since === undefined) await keepRules(gitFolder, tree, rules);
    return tree;
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
  const base = ['diff-tree', '-r', '--no-renames', '--no-ext-diff', '--no-textconv', '--no-color'];
  const names = await runGit({ gitFolder, args: [...base, '--name-status', '-z', from, to] });
  const patch = await runGit({ gitFolder, args: [...base, '--patch', from, to], maxBytes });
  const files = toChangedFiles(names.output);
  return {
    diff: toText(patch.output, patch.truncated),
    files: files.slice(0, maxFiles),
    truncated: patch.truncated || files.length > maxFiles,
  };
}

async function recordInto(
  index: string,
  project: string,
  gitFolder: string,
  files: ProjectFile[],
): Promise<string> {
  const git = async (args: string[], input?: Buffer): Promise<Buffer> =>
    (await runGit({ gitFolder, workTree: project, indexFile: index, args, ...(input && { input }) })).output;
  const wanted = new Set(files.map(({ path }) => path));
  const before = (await git(['ls-files', '--cached', '-z'])).toString('latin1').split('\0');
  const gone = before.filter((path) => path !== '' && !wanted.has(path));
  const large = files.filter(({ stat }) => stat.isFile() && stat.size > maxFileBytes);
  const notes: string[] = gone.map((path) => `0 ${'0'.repeat(40)}\t${path}`);
  for (const { stat, path } of large) {
    const note = `perdure: a file of ${stat.size} bytes, changed at ${stat.mtime.toISOString()}, is not recorded\n`;
    const hash = (await git(['hash-object', '-w', '--stdin', '--no-filters'], Buffer.from(note)))
      .toString()
      .trim();
    notes.push(`0 ${'0'.repeat(40)}\t${path}`, `100644 ${hash}\t${path}`);
  }
  await git(['update-index', '-z', '--index-info'], toInput(notes));
  const skipped = new Set(large.map(({ path }) => path));
  let calls = 0;
  const add = async (paths: string[]): Promise<void> => {
    calls += 1;
    if (calls > maxCalls) throw new GitProblem(`too many files of ${project} cannot be read`);
    try {
      await git(['update-index', '--add', '--remove', '-z', '--stdin'], toInput(paths));
    } catch (error) {
      if (!(error instanceof GitProblem)) throw error;
      // One file that cannot be read, or changes while it is, must not cost the others: halve until it is alone.
      if (paths.length <= 1) return;
      const middle = paths.length >> 1;
      await add(paths.slice(0, middle));
      await add(paths.slice(middle));
    }
  };
  await add([...wanted].filter((path) => !skipped.has(path)));
  const tree = (await git(['write-tree'])).toString('latin1').trim();
  await keepIndex(gitFolder, index);
  return tree;
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

function toInput(lines: string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\0`).join(''), 'latin1');
}

function requireTree(tree: string | undefined): void {
  // Part of a command line: nothing but a hash may stand there.
  if (tree !== undefined && !/^[0-9a-f]{40}$/.test(tree)) throw new Error(`not the hash of a tree: ${tree}`);
}
