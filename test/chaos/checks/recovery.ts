// I13: how long after each kill every run that was under way shows progress again. A sample into which another fault
// fell is told apart: it measures both.
import type { Event, EventType } from '../../../workflows/contracts/event.ts';
import { type Check, type Evidence, spread } from '../evidence.ts';

// What the API writes by itself is no progress of the run.
const noProgress: readonly EventType[] = [
  'steer-request',
  'interrupt-request',
  'cancel-request',
  'run-queued',
  'run-ready',
  'approval-response',
];
// A killed process's last writes may still be on their way through Postgres.
const echoMs = 30;

export const checkRecovery: Check = (evidence) => {
  const figures: Record<string, string> = {};
  const samples = samplesOf(evidence);
  const clean = samples.filter(({ overlapped }) => !overlapped);
  figures['recovery p50 / p99 / max'] = spread(clean.map(({ ms }) => ms));
  for (const [kind, group] of Map.groupBy(clean, (sample) => sample.kind)) {
    figures[`recovery after ${kind}`] = spread(group.map(({ ms }) => ms));
  }
  const overlapped = samples.filter((sample) => sample.overlapped).map(({ ms }) => ms);
  figures['recovery with further faults'] = spread(overlapped);
  return { violations: [], figures };
};

/** Whether the run waited for a person's answer at that time: how long that takes is no recovery. */
function waitsForPeople(events: readonly Event[], at: number): boolean {
  const before = events.filter((event) => Date.parse(event.at) <= at);
  const count = (type: EventType): number => before.filter((event) => event.type === type).length;
  return count('approval-request') > count('approval-response');
}

interface Sample {
  kind: string;
  ms: number;
  overlapped: boolean;
}

function samplesOf({ faults, runs }: Evidence): Sample[] {
  return faults.flatMap((fault, index) => {
    const next = faults[index + 1]?.at ?? Number.POSITIVE_INFINITY;
    return [...runs.values()].flatMap(({ events }): Sample[] => {
      const times = events.filter(({ type }) => !noProgress.includes(type)).map(({ at }) => Date.parse(at));
      const first = times[0];
      if (first === undefined || first > fault.at || waitsForPeople(events, fault.at)) return [];
      const progress = times.find((at) => at > fault.at + echoMs);
      if (progress === undefined) return [];
      return [{ kind: fault.kind, ms: progress - fault.at, overlapped: progress > next }];
    });
  });
}
