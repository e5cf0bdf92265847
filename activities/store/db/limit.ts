// So many at once, and no more; the others wait in memory for their turn, first come first served, and hold no
// connection meanwhile.
import { Failure } from '../../../workflows/contracts/failures.ts';

export type Limit = <T>(act: () => Promise<T>) => Promise<T>;

/** `mostWaiting`: one more is refused. */
export function createLimit(most: number, mostWaiting = Infinity): Limit {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (act) => {
    if (running < most) running += 1;
    else if (waiting.length < mostWaiting) await new Promise<void>((resolve) => waiting.push(resolve));
    else
      throw new Failure('TooManyWaits', `${mostWaiting} requests wait here already; try again in a moment.`);
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
