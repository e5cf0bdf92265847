// The ways to Temporal that the processes have: one for each kind of execution.
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { RewindRow } from '../../activities/store/runs/rewinds.ts';
import type { RunRow } from '../../activities/store/runs/runs.ts';
import type { OccurrenceRow } from '../../activities/store/schedules/occurrences.ts';
import type { DispatcherRow } from '../../activities/store/tasks/dispatchers.ts';
import type { WebhookRow } from '../../activities/store/webhooks/webhooks.ts';
import { dispatcherKind } from '../../api/upkeep/dispatcher-kind.ts';
import { createExecutions, type Executions } from '../../api/upkeep/executions.ts';
import { occurrenceKind } from '../../api/upkeep/occurrence-kind.ts';
import { rewindKind } from '../../api/upkeep/rewind-kind.ts';
import { runKind } from '../../api/upkeep/run-kind.ts';
import { webhookKind } from '../../api/upkeep/webhook-kind.ts';

export interface Ways {
  runs: Executions<RunRow>;
  rewinds: Executions<RewindRow>;
  occurrences: Executions<OccurrenceRow>;
  dispatchers: Executions<DispatcherRow>;
  webhooks: Executions<WebhookRow>;
}

export function waysTo(client: Client, logger: Logger): Ways {
  return {
    runs: createExecutions(runKind, client, logger),
    rewinds: createExecutions(rewindKind, client, logger),
    occurrences: createExecutions(occurrenceKind, client, logger),
    dispatchers: createExecutions(dispatcherKind, client, logger),
    webhooks: createExecutions(webhookKind, client, logger),
  };
}
