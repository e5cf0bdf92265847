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
    // A later execution must read the steps and calls in the rows, and one with an executor begins there.
    ...(run.generation === 0 &&
      run.executor === null && { fresh: { project: run.project_path !== null, seconds } }),
  };
  return {
    input,
    // Temporal counts from 1 (first) to 5; ours are critical, high, normal, low.
    priority: { priorityKey: run.priority + 1, fairnessKey: run.tenant_id },
    searchAttributes: [
      { key: searchAttributes.tenant, value: run.tenant_id },
      { key: searchAttributes.conversation, value: run.conversation_id },
    ],
    summary: summaryOf(run),
    details: [
      `- Model: ${code(run.model)}`,
      `- Project: ${run.project_path === null ? 'none' : code(run.project_path)}`,
      ...(run.executor === null ? [] : [`- Executor: ${code(run.executor)}`]),
      `- Policy: ${code(run.policy)}`,
      `- Conversation: ${code(run.conversation_id)}`,
      // Temporal's UI is served below the same address as the page.
      `- [Open the run on the page](/#run=${run.id})`,
    ].join('\n'),
  };
}

// Temporal refuses a longer summary. It counts bytes, and a path may have four to a character.
const summaryBytes = 200;

function summaryOf({ model, project_path: project }: RunRow): string {
  const whole = `${model} · ${project ?? 'no project'}`;
  if (Buffer.byteLength(whole) <= summaryBytes) return whole;
  const letters = [...whole];
  while (Buffer.byteLength(letters.join('')) > summaryBytes) letters.pop();
  return letters.join('');
}

/** As Markdown that shows it letter by letter. */
function code(text: string): string {
  return `\`${text.replaceAll('`', "'")}\``;
}
