// How Temporal's UI shows a workflow that has closed.
import type { Client, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';

export interface ShownWorkflow {
  status: string;
  /** Of one that completed; the details of a failure, or the memo of a cancelled one. */
  result: unknown;
  /** Type and message of a failure. */
  failure: [string | null | undefined, string] | undefined;
  summary: unknown;
  details: unknown;
}

export async function shownIn(client: Client, workflow: string): Promise<ShownWorkflow> {
  const handle = client.workflow.getHandle(workflow);
  const { status, memo, raw } = await handle.describe();
  const { summary, details } = raw.executionConfig?.userMetadata ?? {};
  const text = (payload: typeof summary): unknown => payload && defaultPayloadConverter.fromPayload(payload);
  const described = { status: status.name, summary: text(summary), details: text(details) };
  try {
    return { ...described, result: await handle.result(), failure: undefined };
  } catch (error) {
    const { cause } = error as WorkflowFailedError;
    const failed = cause instanceof ApplicationFailure ? cause : undefined;
    const result = failed ? failed.details?.[0] : memo?.['result'];
    return { ...described, result, failure: failed && [failed.type, failed.message] };
  }
}
