// How the parts of the client follow a stream below a path.
import type { Event } from '../../workflows/contracts/event.ts';
import type { FollowOptions, Stream } from './follow.ts';

export type Watch = (
  path: string,
  rules: Pick<Stream, 'numberOf' | 'isLast'>,
  options?: FollowOptions,
) => AsyncGenerator<Event, void>;
