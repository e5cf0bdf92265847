// Workspaces: made, changed by version, taken away. Their directories stay as they are.
import * as store from '../../activities/store/presets/workspaces.ts';
import { realPathsOf } from '../../activities/store/lifecycle/choose-place.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import { Metadata } from '../../workflows/contracts/run.ts';
import type {
  ChangeWorkspaceBody,
  CreateWorkspaceBody,
  WorkspaceView,
} from '../../workflows/contracts/workspace.ts';
import { actorOf, type Verb, type VerbParts } from './verb.ts';

export const createWorkspace: Verb<CreateWorkspaceBody, WorkspaceView> = async (
  parts,
  write,
  caller,
  body,
) => {
  await refuseUnusable(parts, body);
  return { body: store.toWorkspaceView(await store.createWorkspace(write, body, actorOf(caller))) };
};

type Change = ChangeWorkspaceBody & { workspaceId: string };

export const changeWorkspace: Verb<Change, WorkspaceView> = async (
  parts,
  write,
  caller,
  { workspaceId, ...body },
) => {
  await refuseUnusable(parts, body);
  const changed = await store.changeWorkspace(write, workspaceId, body, actorOf(caller));
  if (!Metadata.safeParse(changed.metadata).success)
    throw new Failure('InvalidInput', 'metadata would have more than 32 keys: take some away with null.');
  return { body: store.toWorkspaceView(changed) };
};

type Delete = { workspaceId: string; version: number };

export const deleteWorkspace: Verb<Delete, undefined> = async (
  _parts,
  write,
  caller,
  { workspaceId, version },
) => {
  await store.deleteWorkspace(write, workspaceId, version, actorOf(caller));
  return { body: undefined };
};

/** Directories may change until a run begins: it looks again. */
async function refuseUnusable(
  { realPath }: VerbParts,
  { projects }: Pick<ChangeWorkspaceBody, 'projects'>,
): Promise<void> {
  if (projects) await realPathsOf(realPath, projects, '');
}
