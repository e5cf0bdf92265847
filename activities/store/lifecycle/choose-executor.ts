// On whose machine the calls of a run act, as its request says it: that of the server, or of a worker-only executor.
import type { RunWorkspace } from '../../../workflows/contracts/configuration.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { ExecMode } from '../../../workflows/contracts/run.ts';
import type { Queries } from '../db/database.ts';
import { type ExecutorRow, findWorker, isApart } from '../runs/executors.ts';
import type { SandboxChoices } from './choose-sandbox.ts';

/**
 * By name or id. Null: the machine of the server. One that is silent is taken: the run waits for it, as one that is at
 * work does. One that was never there, or has gone for good, is refused.
 */
export async function executorOf(
  queries: Queries,
  tenantId: string,
  wanted: string | null | undefined,
): Promise<ExecutorRow | null> {
  if (wanted == null) return null;
  const found = await findWorker(queries, tenantId, wanted);
  if (found) return isApart(found) ? found : null;
  const detail = `There is no executor ${wanted} with a machine for runs; GET /api/v1/executors (perdure executors) lists them.`;
  throw new Failure('UnknownExecutor', detail, {
    fields: [{ path: 'executor', problem: 'must be the name or the id of a worker' }],
  });
}

/** The server tells the model what lies in its projects, and sees none of another machine. */
export function refuseWorkspaceOn(executor: ExecutorRow | null, workspace: RunWorkspace | null): void {
  if (executor === null || workspace === null) return;
  throw new Failure(
    'NotRunnable',
    `The projects of a workspace are on the machine of the server: on ${executor.name} a run has one project.`,
  );
}

// The best comes first, as on the machine of the server.
const containing: readonly ExecMode[] = ['sandbox', 'bubblewrap'];

/** The choices on the machine of an executor: which kinds it can use, it said when it started. */
export function sandboxesOn({ name, sandboxes }: ExecutorRow, here: SandboxChoices): SandboxChoices {
  const on: SandboxChoices = {
    containsUnattended: here.containsUnattended,
    async sandbox(mode) {
      if (mode === 'container')
        throw new Failure(
          'InvalidInput',
          `A container of yours is on the machine of the server, and not on ${name}.`,
        );
      // Of the server's own only what the kind contains counts, which is the same everywhere.
      const view = await here.sandbox(mode);
      const problem = sandboxes.includes(mode)
        ? null
        : `The executor ${name} cannot use the sandbox ${mode}; perdure sandbox doctor on its machine says why.`;
      return { ...view, problem };
    },
    async bestSandbox() {
      const best = containing.find((mode) => sandboxes.includes(mode));
      return best && on.sandbox(best);
    },
  };
  return on;
}
