// Wakes webhooks when the stream of their tenant has grown. A notice that was lost costs them what the sweeper takes.
import type { Logger } from 'pino';
import type { Db } from '../../activities/store/db/database.ts';
import { listEnabledWebhooks } from '../../activities/store/webhooks/webhooks.ts';
import { streamOf } from '../../workflows/contracts/event.ts';
import type { Notices } from './executions.ts';

export interface HookWaker {
  /** A notice that streams have grown. */
  hear(payload: string): void;
  /** Resolves when nothing is under way. */
  close(): Promise<void>;
}

// The first event of a quiet moment goes at once; under load a wake for each would fill the workflows' histories.
const pauseMs = 1000;

export function createHookWaker({
  db,
  tenantId,
  webhooks,
  logger,
}: {
  db: Db;
  tenantId: string;
  webhooks: Pick<Notices<never>, 'wake'>;
  logger: Logger;
}): HookWaker {
  const stream = streamOf('tenant', tenantId);
  let timer: NodeJS.Timeout | undefined;
  let grown = false;
  let waking: Promise<void> = Promise.resolve();

  async function wakeAll(): Promise<void> {
    try {
      for (const { id } of await listEnabledWebhooks(db, tenantId)) webhooks.wake(id);
    } catch (error) {
      logger.warn({ err: error }, 'cannot look for webhooks to wake; the sweeper wakes them');
    }
  }

  function pass(): void {
    timer = undefined;
    if (!grown) return;
    grown = false;
    waking = wakeAll();
    timer = setTimeout(pass, pauseMs);
  }

  return {
    hear(payload) {
      if (!payload.split('\n').includes(stream)) return;
      grown = true;
      if (!timer) pass();
    },
    async close() {
      clearTimeout(timer);
      grown = false;
      await waking;
    },
  };
}
