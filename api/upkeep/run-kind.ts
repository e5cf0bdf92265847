// Runs as a kind of execution.
import { listActive, listUndrained, listUnstarted, type RunRow } from '../../activities/store/runs/runs.ts';
import type { AgentRunInput } from '../../workflows/contracts/activities.ts';
import { searchAttributes } from '../../workflows/contracts/messages.ts';
import type { EffectiveLimits } from '../../workflows/contracts/run.ts';
import type { Notices } from './executions.ts';
import type { Kind, WorkflowStart } from './kind.ts';

/** What Temporal is told of runs. */
export type Runs = Notices<RunRow>;

export const runKind: Kind<RunRow> = {
  name: 'run',
  workflowType: 'agentRun',
  startOf,
  listUnstarted,
  listUndrained,
  listActive,
};

function startOf(run: RunRow): WorkflowStart {
  const { seconds } = run.limits as unknown as EffectiveLimits;
  const input: AgentRunInput = {
    tenantId: run.tenant_id,
    runId: run.id,
    requestId: run.request_id,
    generation: run.generation,
    // Another execution finds steps and calls that only the rows know.
    ...(run.generation === 0 && { fresh: { project: run.project_path !== null, seconds } }),
  };
  return {
    input,
    // Temporal counts from 1 (first) to 5; ours are critical, high, normal, low.
    priority: { priorityKey: run.priority + 1, fairnessKey: run.tenant_id },
    searchAttributes: [
      { key: searchAttributes.tenant, value: run.tenant_id },
      { key: searchAttributes.conversation, value: run.conversation_id },
    ],
    summary: `${run.model} · ${run.project_path ?? 'no project'}`.slice(0, 200),
  };
}
