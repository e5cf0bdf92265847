// The part of the client about what is told of everything: the stream of the tenant.
import type { EventListView, EventType } from '../../workflows/contracts/event.ts';
import type { FollowOptions } from './follow.ts';
import type { Transport } from './transport.ts';
import type { Watch } from './watch.ts';

type EventQuery = {
  after?: number | string;
  last?: number;
  limit?: number;
  types?: readonly EventType[];
  kept?: boolean;
};

export function eventCalls({ json }: Transport, watch: Watch) {
  return {
    events: ({ types, ...query }: EventQuery = {}) =>
      json<EventListView>('GET', '/events', { query: { ...query, ...(types && { type: types.join(',') }) } }),
    /** What is told of all runs, tasks and schedules as it comes. It never ends by itself. */
    watchEvents: (options?: FollowOptions) =>
      watch('', { numberOf: (event) => event.seq, isLast: () => false }, options),
  };
}
