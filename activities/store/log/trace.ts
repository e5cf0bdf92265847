// Where the time goes between a request for a run and its first token: each part of the way publishes when it is done.
// Costs nothing while no listener is there; `npm run bench start -- --trace` is one.
import { channel } from 'node:diagnostics_channel';

/**
 * In the order in which they come. `accepted`: the run is stored; `started`: Temporal has its workflow; `taken`: the worker
 * has the activity; `opened`: the step is begun and its context read;
 * `reserved`: the money is held; `said`: the model's first piece has come; `appended`: it is stored; `noticed`: readers
 * are being told; `heard`: the API was told; `read`: it has the events; `written`: they are in the readers' sockets.
 */
export const wayPoints = [
  'accepted',
  'started',
  'taken',
  'opened',
  'reserved',
  'said',
  'appended',
  'noticed',
  'heard',
  'read',
  'written',
] as const;
export type WayPoint = (typeof wayPoints)[number];

export interface Passed {
  /** Such as `run/0190…`. */
  stream: string;
  point: WayPoint;
}

const passed = channel('perdure:passed');

export function pass(point: WayPoint, stream: string): void {
  if (passed.hasSubscribers) passed.publish({ stream, point } satisfies Passed);
}
