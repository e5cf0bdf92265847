// Every kind of execution there is. A new one is a file beside run-kind.ts, one beside run-upkeep.ts, and a line in each
// of the two lists here.
import { type DispatcherRow, dispatcherTable } from '../../activities/store/tasks/dispatchers.ts';
import { type WebhookRow, webhookTable } from '../../activities/store/webhooks/webhooks.ts';
import { attendingUpkeep } from './attending-upkeep.ts';
import { dispatcherKind } from './dispatcher-kind.ts';
import type { Executions } from './executions.ts';
import type { Kind } from './kind.ts';
import { occurrenceKind } from './occurrence-kind.ts';
import { createOccurrenceUpkeep, type OccurrenceUpkeepInput } from './occurrence-upkeep.ts';
import { createRewindUpkeep, rewindKind } from './rewind-kind.ts';
import { runKind } from './run-kind.ts';
import { createRunUpkeep, type RunUpkeepInput } from './run-upkeep.ts';
import type { Upkeep } from './upkeep.ts';
import { webhookKind } from './webhook-kind.ts';

const byName = {
  run: runKind,
  rewind: rewindKind,
  schedule: occurrenceKind,
  dispatch: dispatcherKind,
  webhook: webhookKind,
};

export const kinds: readonly Kind[] = Object.values(byName);

export function upkeepOf(
  input: RunUpkeepInput &
    OccurrenceUpkeepInput &
    Parameters<typeof createRewindUpkeep>[0] & {
      dispatchers: Executions<DispatcherRow>;
      webhooks: Executions<WebhookRow>;
    },
): readonly Upkeep[] {
  const { db } = input.log;
  const upkeep: { [Name in keyof typeof byName]: Upkeep } = {
    run: createRunUpkeep(input),
    rewind: createRewindUpkeep(input),
    schedule: createOccurrenceUpkeep(input),
    dispatch: attendingUpkeep(db, {
      kind: dispatcherKind,
      executions: input.dispatchers,
      table: dispatcherTable,
    }),
    webhook: attendingUpkeep(db, { kind: webhookKind, executions: input.webhooks, table: webhookTable }),
  };
  return Object.values(upkeep);
}
