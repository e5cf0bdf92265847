// Which sandbox and which tree a run gets, where its request, its preset or the run before it leaves that open.
import type { Sources } from '../../../workflows/contracts/configuration.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { ContainerRef } from '../../../workflows/contracts/container.ts';
import type { ExecMode, StartRunBody, WorkTree } from '../../../workflows/contracts/run.ts';
import type { SandboxView } from '../../../workflows/contracts/system.ts';
import { trustedProfile } from '../../../workflows/policy/presets.ts';
import type { Configuration } from './write-run.ts';

/** What only the process that starts a run can tell of sandboxes. */
export interface SandboxChoices {
  /** A kind of sandbox, and why it cannot be used here now if so; by a run with this container and project. */
  sandbox(
    mode: ExecMode,
    run?: { container: ContainerRef; projectPath: string | null },
  ): Promise<SandboxView>;
  /** The best kind that contains and can be used here now; undefined: none. */
  bestSandbox(): Promise<SandboxView | undefined>;
  /** False: an unattended run that names no kind works in mount, whatever there is. */
  containsUnattended: boolean;
}

/**
 * A person who answers, or who wants their directory worked in, sees what happens there, and one profile is made for
 * that. Any other run is contained where this machine can do so.
 */
export async function sandboxOf(
  needs: SandboxChoices,
  { execMode, attended = false, workTree, policy, container }: StartRunBody,
  projectPath: string | null,
): Promise<SandboxView> {
  if (execMode === 'hybrid') {
    const best = await needs.bestSandbox();
    if (best) return best;
    const detail =
      'hybrid needs a sandbox that contains, and none can be used here; perdure status says why.';
    throw new Failure('SandboxUnavailable', detail);
  }
  if (execMode === 'container') {
    if (container) return needs.sandbox(execMode, { container, projectPath });
    throw new Failure(
      'InvalidInput',
      'The mode container needs a container: {id} (perdure run --container).',
    );
  }
  if (execMode !== undefined) return needs.sandbox(execMode);
  const isForMount =
    attended || workTree === 'in-place' || policy === trustedProfile || !needs.containsUnattended;
  return (isForMount ? undefined : await needs.bestSandbox()) ?? needs.sandbox('mount');
}

/** Hybrid is a copy by its nature: only a request that says otherwise is refused, not one before it. */
export function treeOf(
  { execMode, workTree }: StartRunBody,
  sources: Sources,
  mode: ExecMode,
  projectPath: string | null,
): Pick<Configuration, 'workTree' | 'bringsHome'> {
  if (mode === 'container') {
    if (workTree === 'own' && sources.workTree === 'request')
      throw new Failure('InvalidInput', 'A container of yours shows the project, and no copy of it.');
    return { workTree: 'in-place', bringsHome: false };
  }
  if (execMode !== 'hybrid') return { workTree: workTree ?? usualTree(mode, projectPath), bringsHome: false };
  if (workTree === 'in-place' && sources.workTree === 'request')
    throw new Failure(
      'InvalidInput',
      'hybrid works on a copy of the project: leave workTree out, or say own.',
    );
  return { workTree: projectPath === null ? 'in-place' : 'own', bringsHome: true };
}

/** What commands of containers write belongs to a user of theirs, who can be given a copy but not a person's project. */
function usualTree(mode: ExecMode, projectPath: string | null): WorkTree {
  return mode === 'sandbox' && projectPath !== null ? 'own' : 'in-place';
}
