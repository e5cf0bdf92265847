// What a model call asks: the messages and tools of its run, and the context of its step. What earlier attempts asked
// and never accounted for is booked, and the worst case drawn, before the request may be sent.
import type { CallModelResult } from '../../workflows/contracts/activities.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Reservation } from '../store/allowances/allowances.ts';
import { lockRun } from '../store/runs/runs.ts';
import { type Asking, askingOf } from './asking.ts';
import { draw, drawAhead } from './draw.ts';
import { failModelCall, WorkersLost } from './failure.ts';
import type { ModelCall, Opened } from './open.ts';
import { carriesParts, readyParts } from './parts.ts';
import { keepProjectText } from './project-text.ts';
import { bookLost, noUse } from './use.ts';

// Kills that come by chance must never end a run, and a model call is safe to make again: only a prompt that takes
// down every worker that sends it meets ten deaths in one step.
const mostLostAttempts = 10;

/** A request, and the reservation that is on its way for it. */
interface Ahead {
  asking: Asking;
  reserving: Promise<Reservation>;
}

/**
 * The first request of a step, prepared while its begin is on the way to the disk; the caller waits for both. Undefined
 * where attempts before it are booked first, or where it cannot be made: the caller finds out again.
 */
export async function prepareAhead(
  deps: ActivityDeps,
  step: number,
  opened: Opened,
): Promise<Ahead | undefined> {
  const { run, ref } = opened;
  if (opened.earlier > 0 || carriesParts(opened.history)) return undefined;
  try {
    const asking = await askingOf(deps, { run, step }, ref, opened.history);
    return { asking, reserving: drawAhead(deps, run, step, ref, asking.request) };
  } catch {
    return undefined;
  }
}

/** What to ask, or what becomes of the step when it may not be asked for want of money. */
export async function prepareRequest(
  deps: ActivityDeps,
  call: ModelCall,
  {
    ahead,
    ...before
  }: Pick<Opened, 'earlier' | 'lost' | 'history'> &
    Partial<Pick<Opened, 'refused'>> & { ahead?: Ahead | undefined },
): Promise<{ asking: Asking } | { result: CallModelResult }> {
  const { run, step, attempt } = call;
  try {
    if (before.lost >= mostLostAttempts) throw new WorkersLost(step, before.lost);
    const asking =
      ahead?.asking ??
      (await askingOf(deps, call, attempt.ref, await readyParts(deps, call, before.history), before.refused));
    if (before.earlier > 0) {
      await deps.log.write('book-lost', async (write) => {
        const locked = await lockRun(write, run.tenant_id, run.id);
        if (locked) await bookLost(deps, write, locked, { step, before: attempt.ref.attempt });
      });
    }
    await keepProjectText(deps, run, asking.told);
    const result = await draw(deps, run, step, attempt, asking.request, undefined, ahead?.reserving);
    return result ? { result } : { asking };
  } catch (error) {
    throw await failModelCall(deps, call, error, { use: noUse(deps, run.model), closing: [] });
  }
}
