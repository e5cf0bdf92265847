// What client and workflow say to each other: one signal, one query, the ids. No zod here: workflows load it.
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { defineQuery, defineSignal } from '@temporalio/workflow';

/** "There may be something for you in Postgres." Carries nothing; sending it twice is the same as once. */
export const wake = defineSignal('wake');

export interface RunState {
  step: number;
  phase: 'starting' | 'model' | 'tools' | 'finishing';
}
/** A snapshot for people who look at Temporal's UI; nothing in the product reads it. */
export const state = defineQuery<RunState>('state');

export type WorkflowKind = 'run' | 'rewind' | 'plan' | 'deployment' | 'schedule' | 'dispatch' | 'webhook';

export function workflowId(kind: WorkflowKind, of: string): string {
  return `${kind}/${of}`;
}

/** Which occurrence a workflow of a schedule is for. */
export function occurrenceOf(workflow: string): string {
  return workflow.slice(workflowId('schedule', '').length);
}

/** What Temporal's UI can list and filter runs by; nothing in the product reads them. */
export const searchAttributes = {
  tenant: defineSearchAttributeKey('PerdureTenant', SearchAttributeType.KEYWORD),
  conversation: defineSearchAttributeKey('PerdureConversation', SearchAttributeType.KEYWORD),
  status: defineSearchAttributeKey('PerdureStatus', SearchAttributeType.KEYWORD),
};

export const taskQueues = { wf: 'wf', llm: 'llm', tools: 'tools', trees: 'trees', hooks: 'hooks' } as const;

/** Of these there is one for each executor with a machine of its own: what touches a run's project goes there. */
export const executorQueues = [taskQueues.tools, taskQueues.trees] as const;

export function queueOn(queue: (typeof executorQueues)[number], executor: string): string {
  return `${queue}/${executor}`;
}
