// Waits for what a worker does to the project of a run: what `perdure apply`, `rewind` and `undo` asked for, and what the
// end of a run began by itself.
import { setTimeout as sleep } from 'node:timers/promises';
import type { RewindView } from '../../../workflows/contracts/checkpoint.ts';
import type { EventPayload } from '../../../workflows/contracts/event.ts';
import type { Client } from '../../client/client.ts';
import { printableLine } from './printable.ts';
import { rewindLines } from './rewind-lines.ts';
import { shortId } from './short-id.ts';

// Soon enough that it feels immediate.
const askEveryMs = 150;
// Tens of thousands of files take some seconds. Who waits for a run did not ask for this, and is told how to see it later.
const longestMs = 30_000;

/** As it has ended, or as it still stands when told to wait no more. */
export async function rewindEnded(
  client: Client,
  begun: RewindView,
  signal?: AbortSignal,
): Promise<RewindView> {
  let view = begun;
  while (view.status === 'open' && !signal?.aborted) {
    await sleep(askEveryMs);
    view = await client.rewind(view.runId, view.id);
  }
  return view;
}

/** Undefined: the end of the run began none, or what has become of it cannot be told. */
export async function resultAtEnd(
  client: Client,
  runId: string,
  { rewindId }: Pick<EventPayload<'run-end'>, 'rewindId'>,
  leaving?: AbortSignal,
): Promise<RewindView | undefined> {
  if (rewindId === undefined) return undefined;
  const signal = AbortSignal.any([AbortSignal.timeout(longestMs), ...(leaving ? [leaving] : [])]);
  try {
    // Shown again later, what was tried since counts.
    const newest = (await client.run(runId)).homecoming?.id ?? rewindId;
    return await rewindEnded(client, await client.rewind(runId, newest), signal);
  } catch {
    // The run has ended and was shown: a server that went away, or a run deleted since, changes nothing of that.
    return undefined;
  }
}

/** For people who have just seen the end of the run. */
export function resultLines(view: RewindView): string[] {
  const id = shortId(view.runId);
  const [first = '', ...kept] = rewindLines(view);
  if (view.status === 'done') return [first, ...kept];
  const isApply = view.kind === 'apply';
  if (view.status === 'open')
    return isApply ? [`still being brought home: perdure apply ${id} waits for it and says how it went`] : [];
  const what = isApply ? 'not brought home' : 'not taken back';
  return [
    `${what}: ${printableLine(view.problem ?? 'no reason given', 600)}`,
    ...kept,
    ...(isApply ? [`perdure apply ${id} tries again; perdure diff ${id} shows what the run changed`] : []),
  ];
}
