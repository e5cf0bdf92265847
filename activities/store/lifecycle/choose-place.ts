// Where a run works: a directory, the first of the projects of a workspace, or a scratch folder.
import type { RunWorkspace, Sources } from '../../../workflows/contracts/configuration.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import { isPlainPath, pathProblem } from '../../../workflows/contracts/fields.ts';
import type { ExecMode, StartRunBody } from '../../../workflows/contracts/run.ts';
import type { WorkspaceView } from '../../../workflows/contracts/workspace.ts';
import type { Queries } from '../db/database.ts';
import { holdWorkspace } from '../presets/workspaces.ts';
import { insteadOf } from './instead-of.ts';

/** The one path of a directory, whatever links lead to it. Throws a Failure when there is none. */
type RealPath = (path: string) => Promise<string>;

export interface PlaceOfRun {
  /** Null: it works in a scratch folder. */
  projectPath: string | null;
  workspace: RunWorkspace | null;
}

export function refuseTwoPlaces({ project, workspace }: Pick<StartRunBody, 'project' | 'workspace'>): void {
  if (workspace == null || project === undefined) return;
  const detail = 'A workspace has projects of its own: give workspace or project, and not both.';
  throw new Failure('TwoPlaces', detail, {
    fields: [{ path: 'workspace', problem: 'must not be given with project' }],
  });
}

export function unknownWorkspace(id: string): string {
  return `There is no workspace ${id}; GET /api/v1/workspaces lists them.`;
}

/**
 * The one path of each directory, once and for all: whatever link it was named by, all that the run does and leaves is
 * under the one name.
 */
export async function placeOf(
  queries: Queries,
  { realPath }: { realPath: RealPath },
  tenantId: string,
  { project = null, workspace }: StartRunBody,
  sources: Sources,
): Promise<PlaceOfRun> {
  if (workspace == null) {
    if (project === null) return { projectPath: null, workspace: null };
    const instead = insteadOf(sources.project, 'project', projectHint);
    return { projectPath: await realOf(realPath, project.path, instead), workspace: null };
  }
  const instead = insteadOf(sources.workspace ?? 'instance', 'workspace');
  const row = await holdWorkspace(queries, tenantId, workspace);
  if (!row) throw new Failure('UnknownWorkspace', unknownWorkspace(workspace) + instead);
  const given = row.projects as WorkspaceView['projects'];
  const [first = null, ...others] = await realPathsOf(
    realPath,
    given,
    ` The workspace ${workspace} names it.`,
  );
  return { projectPath: first, workspace: { id: workspace, version: row.version, others } };
}

/** Refused where one lies in another: it would be one to write in and one to read only. */
export async function realPathsOf(
  realPath: RealPath,
  projects: readonly { path: string }[],
  where: string,
): Promise<string[]> {
  const paths: string[] = [];
  for (const { path } of projects) {
    const real = await realOf(realPath, path, where);
    const other = paths.find((each) => isIn(real, each) || isIn(each, real));
    if (other !== undefined)
      throw new Failure('InvalidInput', `${real} and ${other} lie in one another: name one of them.${where}`);
    paths.push(real);
  }
  return paths;
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

async function realOf(realPath: RealPath, path: string, instead: string): Promise<string> {
  const real = await realPath(path).catch((error: unknown) => {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(error.code, error.message + instead, error.extra);
  });
  if (!isPlainPath(real)) throw new Failure('InvalidInput', pathProblem);
  return real;
}

const projectHint =
  ' (perdure run --conversation ID --project DIR), or null (--project none) for a scratch folder';

/** A container of a person's own shows what it shows. */
export function refuseUnseen(mode: ExecMode, workspace: RunWorkspace | null): void {
  if (mode !== 'container' || workspace === null || workspace.others.length === 0) return;
  throw new Failure(
    'NotRunnable',
    `A container of yours shows one project, and the workspace ${workspace.id} has more: use another sandbox, or a project.`,
  );
}
