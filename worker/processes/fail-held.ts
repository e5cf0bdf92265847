// The activities that Temporal believes a dead worker to be at and that no open attempt tells of: the worker died
// before it had claimed one, or after it had stored a result and before it could say so.
import type { Client } from '@temporalio/client';
import { msToNumber, tsToMs } from '@temporalio/common/lib/time.js';
import proto from '@temporalio/proto';
import { activityTable } from '../../workflows/contracts/activity-table.ts';

export interface HeldInput {
  client: Client;
  namespace: string;
  workflowId: string;
  /** What the dead workers called themselves. */
  identities: ReadonlySet<string>;
}

export const workerLost: proto.temporal.api.failure.v1.IFailure = {
  message: 'The worker died.',
  applicationFailureInfo: { type: 'WorkerLost', nextRetryDelay: { nanos: 1_000_000 } },
};

const { PENDING_ACTIVITY_STATE_STARTED: started, PENDING_ACTIVITY_STATE_CANCEL_REQUESTED: cancelRequested } =
  proto.temporal.api.enums.v1.PendingActivityState;

// Failing by id could hit a healthy successor that got the activity after a timeout, so only those are failed that
// cannot have timed out yet: the last sign of life is not older than this much of what their silence may last.
const young = 0.8;

/** Fails them, so that they are tried again at once. Whatever is not certain is left to its timeout. */
export async function failHeld({ client, namespace, workflowId, identities }: HeldInput): Promise<number> {
  const { pendingActivities } = await client.workflowService.describeWorkflowExecution({
    namespace,
    execution: { workflowId },
  });
  const held = (pendingActivities ?? []).filter(
    (activity) =>
      (activity.state === started || activity.state === cancelRequested) &&
      identities.has(activity.lastWorkerIdentity ?? '') &&
      isYoung(activity),
  );
  for (const { activityId } of held) {
    const request = { namespace, workflowId, activityId: activityId ?? '' };
    await client.workflowService.respondActivityTaskFailedById({ ...request, failure: workerLost });
  }
  return held.length;
}

function isYoung(activity: proto.temporal.api.workflow.v1.IPendingActivityInfo): boolean {
  const lastSign = Math.max(toMs(activity.lastStartedTime), toMs(activity.lastHeartbeatTime));
  return Date.now() - lastSign < young * silenceMs(activity.activityType?.name ?? '');
}

/** After so long without a sign of life another attempt begins. */
function silenceMs(activity: string): number {
  const rows: Record<string, { heartbeat?: string; startToClose: unknown }> = activityTable;
  const lasts = rows[activity]?.heartbeat ?? rows[activity]?.startToClose;
  return typeof lasts === 'string' ? msToNumber(lasts) : 0;
}

function toMs(time: proto.google.protobuf.ITimestamp | null | undefined): number {
  return time ? tsToMs(time) : 0;
}
