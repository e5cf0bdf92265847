// What a run has from its workspace.
import type { Selectable } from 'kysely';
import type { RunWorkspace } from '../../../workflows/contracts/configuration.ts';
import type { Runs } from '../db/tables.ts';

type RunRow = Selectable<Runs>;

export function workspaceOf(run: Pick<RunRow, 'workspace'>): RunWorkspace | null {
  return run.workspace as RunWorkspace | null;
}

/** The real paths of the projects that it only reads. */
export function besideOf(run: Pick<RunRow, 'workspace'>): string[] {
  return workspaceOf(run)?.others ?? [];
}
