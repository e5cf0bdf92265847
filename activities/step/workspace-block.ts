// What a model is told of its workspace: its projects in their order, and what lies at the top of each, as far as policy
// lets the run list it.
import { join } from 'node:path';
import { toStorableOutput } from '../../workflows/contracts/storable.ts';
import { createPathCheck } from '../../workflows/policy/path-check.ts';
import { reviewContextOf } from '../call/review.ts';
import type { ActivityDeps } from '../deps.ts';
import { SandboxRefusal } from '../sandbox/sandbox.ts';
import type { RunRow } from '../store/runs/runs.ts';
import { workspaceOf } from '../store/runs/workspace-of-run.ts';

// Each step pays for them: the tool `list` has the rest.
const mostNames = 60;

/** Undefined: the run has none. */
export async function workspaceText({
  deps,
  run,
}: {
  deps: ActivityDeps;
  run: RunRow;
}): Promise<string | undefined> {
  const workspace = workspaceOf(run);
  const place = deps.place(run);
  if (workspace === null || place === null) return undefined;
  const context = await reviewContextOf({ ...deps, db: deps.log.db }, run);
  const most = Math.ceil(mostNames / (workspace.others.length + 1));
  const lines = [place, ...workspace.others].map(async (root, at) => {
    const wanted = { tool: 'list', effect: 'read', subject: root, subjectKind: 'path' } as const;
    const check = createPathCheck(context.scopes, wanted, context);
    const mayUse: typeof check = (path, reach) => check(at === 0 ? path : join(root, path), reach);
    const names = await namesIn(deps, root, mayUse);
    const more = names.length > most ? [`and ${names.length - most} more`] : [];
    const shown = [...names.slice(0, most), ...more].join(', ');
    return `- ${JSON.stringify(root)}${shown === '' ? '' : `: ${shown}`}`;
  });
  return [
    `Workspace ${workspace.id}. You work in the first project; read in the others by their absolute paths, where nothing is written:`,
    ...(await Promise.all(lines)),
  ].join('\n');
}

/** None where it cannot be looked at: a call that tries is told why. */
async function namesIn(
  deps: Pick<ActivityDeps, 'withFiles' | 'log'>,
  root: string,
  mayUse: ReturnType<typeof createPathCheck>,
): Promise<string[]> {
  try {
    const entries = await deps.withFiles(root, mayUse, (files) => files.list('.'));
    return entries.map(({ name, kind }) => {
      const shown = toStorableOutput(deps.log.redact(name)).replaceAll(/\s/g, ' ');
      return kind === 'directory' ? `${shown}/` : shown;
    });
  } catch (error) {
    if (error instanceof SandboxRefusal || (error as NodeJS.ErrnoException).code !== undefined) return [];
    throw error;
  }
}
