// The part of a conversation under way that can be sent: a run at work is in the middle of a step, with calls that have no
// result yet. Pure.
import type { StoredMessage } from '../../workflows/contracts/message.ts';

/**
 * Leaves out of each other run what begins with its first step that is not whole. A summary stays: it is stored with the
 * step that asks next, and stands for those before.
 */
export function wholeUpTo(history: StoredMessage[], ownRunId: string): StoredMessage[] {
  const cuts = new Map<string, number>();
  for (const [place, messages] of Map.groupBy(history, ({ runId, step }) => `${runId} ${step}`)) {
    const [first] = messages;
    if (!first || place.startsWith(ownRunId)) continue;
    const results = new Set(messages.flatMap(({ callId }) => callId ?? []));
    const isWhole = messages.every(({ calls = [] }) => calls.every(({ callId }) => results.has(callId)));
    if (!isWhole) cuts.set(first.runId, Math.min(cuts.get(first.runId) ?? Infinity, first.step));
  }
  return history.filter(
    ({ runId, step, about }) => about?.kind === 'summary' || step < (cuts.get(runId) ?? Infinity),
  );
}
