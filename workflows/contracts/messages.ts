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

export type WorkflowKind = 'run' | 'plan' | 'deployment' | 'schedule';

export function workflowId(kind: WorkflowKind, of: string): string {
  return `${kind}/${of}`;
}

/** What Temporal's UI can list and filter runs by; nothing in the product reads them. */
export const searchAttributes = {
  tenant: defineSearchAttributeKey('PerdureTenant', SearchAttributeType.KEYWORD),
  conversation: defineSearchAttributeKey('PerdureConversation', SearchAttributeType.KEYWORD),
  status: defineSearchAttributeKey('PerdureStatus', SearchAttributeType.KEYWORD),
};

export const taskQueues = { wf: 'wf', llm: 'llm', tools: 'tools', trees: 'trees' } as const;
