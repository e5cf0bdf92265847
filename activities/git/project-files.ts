// Which files of a project belong into its tree: what no rule of its repository ignores, files of repositories nested in
// it, and what was tracked or recorded before. Names are bytes kept as latin1: not every name is UTF-8.
import type { Stats } from 'node:fs';
import { lstat, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GitProblem, PipeInTheWay, runGit } from './command.ts';
import { dropIndex } from './folder.ts';
import { addNested, type IgnoreRules, withExclude } from './ignore-rules.ts';
import { emptyFolder } from './tree-entry.ts';
import { isGone, readPlainFile } from './plain-file.ts';
import { findRepository, repositoryAt, type Repository } from './repository.ts';

export interface ProjectFile {
  path: string;
  /** Left out: it is as the index of the recording has it. */
  stat?: Stats;
}

export interface ProjectFilesInput {
  project: string;
  gitFolder: string;
  /** A name for index files of this recording; none exists there yet. */
  scratch: string;
  /** A tree whose files belong to the project even when it has come to ignore them. */
  since: string | undefined;
  /** Names of files that belong to it even when they are ignored. */
  also: readonly string[];
  /** What is ignored beside the project's own .gitignore files; as it is now when there is no earlier tree. */
  rules: IgnoreRules;
  /** A folder that is never recorded, when it lies in the project. */
  exclude: string | undefined;
}

/** One look at a project. */
interface Walk extends ProjectFilesInput {
  /** What the indexes that were met track, whatever stands behind these names by now. */
  tracked: string[];
  /** The nested repositories that were met, by their prefix. */
  met: Set<string>;
}

// A repository in a repository in a repository: deeper is a loop made on purpose.
const maxNesting = 8;
// As many lookups in flight as the thread pool has use for.
const batchSize = 512;
// The index of a project of a million files.
const maxIndexBytes = 512 * 1024 * 1024;

export interface ProjectFiles {
  files: ProjectFile[];
  /** What the index of the recording names. */
  before: string[];
  /** Which of `also` are there and are files of the project for no other reason. */
  ignored: string[];
}

export async function projectFiles(input: ProjectFilesInput): Promise<ProjectFiles> {
  const walk: Walk = { ...input, tracked: [], met: new Set() };
  const [listed, recorded, { before, unchanged }] = await Promise.all([
    listFiles(walk, input.project, '', 0),
    recordedFiles(input),
    lastRecording(input),
  ]);
  const repository = await findRepository(input.project);
  if (repository !== undefined) listed.push(...(await trackIndex(walk, repository, input.project, '', 0)));
  const earlier = [...walk.tracked, ...recorded];
  const paths = new Set(listed);
  const isHidden = hiddenBy(input);
  for (const path of await withRealParents(
    input.project,
    earlier.filter((path) => !paths.has(path)),
  ))
    paths.add(path);
  const also = new Map(input.also.map((name) => [Buffer.from(name).toString('latin1'), name]));
  const more = await withRealParents(
    input.project,
    [...also.keys()].filter((path) => !paths.has(path)),
  );
  const wanted = [...paths, ...more].filter((path) => !isHidden(path));
  const found = await lookAt(
    input.project,
    wanted.filter((path) => !unchanged.has(path)),
  );
  const files: ProjectFile[] = [
    ...wanted.filter((path) => unchanged.has(path)).map((path) => ({ path })),
    ...found.filter(({ stat }) => stat.isFile() || stat.isSymbolicLink()),
  ];
  const onlyAlso = new Set(more);
  return {
    files,
    before,
    ignored: files.flatMap(({ path }) => (onlyAlso.has(path) ? (also.get(path) ?? []) : [])),
  };
}

async function listFiles(walk: Walk, workTree: string, prefix: string, depth: number): Promise<string[]> {
  const args = ['ls-files', '--others', '--exclude-standard', '-z'];
  const { gitFolder, scratch, rules } = walk;
  // From the top of the repository around, git reads every .gitignore on the way down to where it stands.
  const top = (depth === 0 ? rules.around : null) ?? workTree;
  const { output, truncated } = await withExclude(scratch, rules.excludes[prefix] ?? '', (excludesFile) =>
    runGit({
      gitFolder,
      workTree: top,
      directory: workTree,
      indexFile: `${scratch}.none`,
      args,
      excludesFile,
    }),
  );
  if (truncated) throw new GitProblem(`${walk.project} holds too many files to record`);
  const paths: string[] = [];
  for (const name of namesIn(output)) {
    // A directory in the list is a repository of its own. Its files are part of the project all the same.
    if (!name.endsWith('/')) paths.push(prefix + name);
    else if (depth < maxNesting) paths.push(...(await listNested(walk, workTree, prefix, name, depth)));
  }
  return paths;
}

/** A repository that is removed meanwhile, or whose name is not UTF-8 (git needs that), costs only its own files. */
async function listNested(
  walk: Walk,
  workTree: string,
  prefix: string,
  name: string,
  depth: number,
): Promise<string[]> {
  const inner = prefix + name;
  if (walk.met.has(inner)) return [];
  walk.met.add(inner);
  try {
    const nested = join(workTree, Buffer.from(name.slice(0, -1), 'latin1').toString('utf8'));
    if (walk.since === undefined) await addNested(walk.rules, nested, inner);
    const listed = await listFiles(walk, nested, inner, depth + 1);
    const repository = await repositoryAt(nested);
    if (repository !== undefined)
      listed.push(...(await trackIndex(walk, repository, nested, inner, depth + 1)));
    return listed;
  } catch (error) {
    if (error instanceof GitProblem && !(error instanceof PipeInTheWay)) return [];
    throw error;
  }
}

/**
 * Notes what the index of its repository tracks of a folder, ignored or not, and lists the files of its submodules. The
 * index file is read as data with our git directory: its configuration is never opened. An index we cannot read costs
 * only tracked files that are also ignored.
 */
async function trackIndex(
  walk: Walk,
  repository: Repository,
  folder: string,
  prefix: string,
  depth: number,
): Promise<string[]> {
  const top = repository.workTree.replace(/\/$/, '');
  const below = Buffer.from(folder === top ? '' : `${folder.slice(top.length + 1)}/`).toString('latin1');
  const listed: string[] = [];
  for (const entry of await indexEntries(walk, repository)) {
    const path = entry.slice(entry.indexOf('\t') + 1);
    // An index may hold any text for a name.
    if (!path.startsWith(below) || /(^|\/)\.{0,2}(\/|$)/.test(path)) continue;
    const name = path.slice(below.length);
    const isSubmodule = entry.startsWith('160000');
    if (!isSubmodule) walk.tracked.push(prefix + name);
    else if (depth < maxNesting && (await withRealParents(walk.project, [`${prefix}${name}/x`])).length > 0)
      listed.push(...(await listNested(walk, folder, prefix, `${name}/`, depth)));
  }
  return listed;
}

async function indexEntries({ gitFolder, scratch }: Walk, repository: Repository): Promise<string[]> {
  const bytes = await readPlainFile(repository.gitFolder, 'index', maxIndexBytes);
  if (bytes === undefined) return [];
  const indexFile = `${scratch}.theirs`;
  try {
    await writeFile(indexFile, bytes, { mode: 0o600 });
    return namesIn(
      (await runGit({ gitFolder, indexFile, args: ['ls-files', '--cached', '--stage', '-z'] })).output,
    );
  } catch (error) {
    if (error instanceof GitProblem) return [];
    throw error;
  } finally {
    await rm(indexFile, { force: true });
  }
}

async function recordedFiles({ gitFolder, since }: ProjectFilesInput): Promise<string[]> {
  if (since === undefined) return [];
  const args = ['ls-tree', '-r', '-z', '--name-only', '--full-tree', since];
  return namesIn((await runGit({ gitFolder, args })).output);
}

interface LastRecording {
  /** Every name in it, of empty folders too. */
  before: string[];
  /** The files that stand just as they were recorded. */
  unchanged: Set<string>;
}

/**
 * Git looks at tens of thousands of files in a fraction of the time that we would take. A file of which the tree holds a
 * note is never unchanged, since its entry tells nothing of the file.
 */
async function lastRecording({ gitFolder, project, scratch }: ProjectFilesInput): Promise<LastRecording> {
  const call = { gitFolder, workTree: project, indexFile: scratch };
  try {
    const listed = await runGit({ ...call, args: ['ls-files', '--cached', '--stage', '-z'] });
    const entries = namesIn(listed.output);
    const before = entries.map((entry) => entry.slice(entry.indexOf('\t') + 1));
    if (before.length === 0) return { before, unchanged: new Set() };
    const args = ['diff-files', '--name-only', '--no-renames', '--no-ext-diff', '-z'];
    const { output, said } = await runGit({ ...call, args });
    // It passes over what it cannot look at.
    if (said !== '') return { before, unchanged: new Set() };
    const changed = new Set(namesIn(output));
    const stands = (path: string, at: number): boolean =>
      !changed.has(path) && !entries[at]?.startsWith(emptyFolder.mode);
    return { before, unchanged: new Set(before.filter(stands)) };
  } catch (error) {
    if (!(error instanceof GitProblem) || error instanceof PipeInTheWay) throw error;
    // It may be damaged by a full disk; without it everything is read again.
    await dropIndex(scratch);
    return { before: [], unchanged: new Set() };
  }
}

/** Leaves out what lies behind a link by now: that is not the project's. */
async function withRealParents(project: string, paths: string[]): Promise<string[]> {
  const real = new Map<string, Promise<boolean>>([['', Promise.resolve(true)]]);
  const isReal = (directory: string): Promise<boolean> => {
    const known = real.get(directory);
    if (known !== undefined) return known;
    const looked = isReal(parentOf(directory)).then(
      async (parentIsReal) => parentIsReal && ((await look(project, directory))?.isDirectory() ?? false),
    );
    real.set(directory, looked);
    return looked;
  };
  const kept: string[] = [];
  for (const path of paths) if (await isReal(parentOf(path))) kept.push(path);
  return kept;
}

async function lookAt(project: string, paths: string[]): Promise<Required<ProjectFile>[]> {
  const found: Required<ProjectFile>[] = [];
  for (let at = 0; at < paths.length; at += batchSize) {
    const batch = paths.slice(at, at + batchSize);
    const stats = await Promise.all(batch.map((path) => look(project, path)));
    batch.forEach((path, index) => {
      const stat = stats[index];
      if (stat !== undefined) found.push({ path, stat });
    });
  }
  return found;
}

async function look(project: string, path: string): Promise<Stats | undefined> {
  try {
    return await lstat(Buffer.concat([Buffer.from(`${project}/`), Buffer.from(path, 'latin1')]));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Also leaves out what git refuses to hold in a tree: anything named `.git`, in whatever case. */
function hiddenBy({ project, gitFolder, exclude }: ProjectFilesInput): (path: string) => boolean {
  const folders = [gitFolder, exclude]
    .filter((folder) => folder?.startsWith(`${project}/`))
    .map((folder) => Buffer.from(`${folder?.slice(project.length + 1)}/`).toString('latin1'));
  return (path) => folders.some((folder) => path.startsWith(folder)) || /(^|\/)\.git(\/|$)/i.test(path);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** Of a list that git ends with NUL, as latin1. */
export function namesIn(output: Buffer): string[] {
  return output
    .toString('latin1')
    .split('\0')
    .filter((name) => name !== '');
}
