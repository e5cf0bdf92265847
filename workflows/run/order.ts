// The order of the calls of one answer: as if each were made after the one before it, with the reads between two writes
// side by side. Plain and replayed: a change of which call waits for which needs a patch.
import type { Doubt, PlannedCall } from '../contracts/activities.ts';

type Placed = Pick<PlannedCall, 'callId' | 'order' | 'after'>;

/** What a call must know, at its turn, of the calls it waited for. */
export interface Turn {
  /** One of them failed in a way that ends the run: this one is not made. */
  broken: boolean;
  /** The first that left in doubt what it did: a write is not made. */
  doubt?: Doubt;
}

/** Whether any call waits for another one, or is not made because of one. */
export function isOrdered(calls: readonly Placed[]): boolean {
  const waiting = calls.filter(({ order }) => order === 'read' || order === 'write');
  return (
    calls.some(({ after }) => after !== undefined) ||
    (waiting.length > 1 && waiting.some(({ order }) => order === 'write'))
  );
}

/**
 * Makes each call when its turn comes, and waits for all of them. `make` is told of every call at once, in the order
 * written, answers how the call ended, and awaits its turn before it acts.
 */
export async function inOrder<Call extends Placed>(
  calls: readonly Call[],
  make: (call: Call, turn: Promise<Turn>) => Promise<string | undefined>,
): Promise<PromiseSettledResult<unknown>[]> {
  const made: Promise<unknown>[] = [];
  let lastWrite: Promise<Turn> = Promise.resolve({ broken: false });
  let readsSince: Promise<Turn>[] = [];
  for (const call of calls) {
    if (call.order === 'read') {
      const result = make(
        call,
        lastWrite.then(({ broken }) => ({ broken })),
      );
      readsSince.push(endOf(call, result));
      made.push(result);
    } else if (call.order === 'write') {
      const turn = Promise.all([lastWrite, ...readsSince]).then((ends) => joined(ends, call.after));
      const result = make(call, turn);
      lastWrite = Promise.all([turn, endOf(call, result)]).then((ends) => joined(ends));
      readsSince = [];
      made.push(result);
    } else {
      made.push(make(call, Promise.resolve({ broken: false })));
    }
  }
  return Promise.allSettled(made);
}

/** What the end of a call means for those that wait for it. Never rejects. */
async function endOf({ callId }: Placed, result: Promise<string | undefined>): Promise<Turn> {
  try {
    const status = await result;
    const inDoubt = status === 'unknown' || status === 'stopped';
    return { broken: false, ...(inDoubt && { doubt: { callId, status } }) };
  } catch {
    return { broken: true };
  }
}

/** In the order written: the first doubt is the one that later calls are told of. */
function joined(ends: readonly Turn[], known?: Doubt): Turn {
  const doubt = known ?? ends.find((end) => end.doubt)?.doubt;
  return { broken: ends.some(({ broken }) => broken), ...(doubt && { doubt }) };
}
