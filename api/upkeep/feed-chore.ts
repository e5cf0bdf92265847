// Fills the stream of the tenant where the notice that there is something for it was lost, or who heard it died.
import type { EventLog } from '../../activities/store/log/events.ts';
import { feedAll } from '../stream/feeder.ts';
import type { Chore } from './upkeep.ts';

export function createFeedChore({ log, tenantId }: { log: EventLog; tenantId: string }): Chore {
  return { name: 'filling the stream of the tenant', act: () => feedAll(log, tenantId) };
}
