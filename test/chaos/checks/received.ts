// I1: every reader received every event once, in order, with its right content, over all its connections.
import type { Event } from '../../../workflows/contracts/event.ts';
import { digestOf } from '../digest.ts';
import type { Check, Violation } from '../evidence.ts';
import type { Recording } from '../recorder.ts';

interface Count {
  received: number;
  lost: number;
  duplicated: number;
  reordered: number;
  wrong: number;
}

export const checkReceived: Check = ({ played, runs }) => {
  const violations: Violation[] = [];
  const total: Count = { received: 0, lost: 0, duplicated: 0, reordered: 0, wrong: 0 };
  let connections = 0;
  for (const { program, messages, recordings } of played) {
    const conversation = messages.flatMap(({ runId }) => runs.get(runId)?.events ?? []);
    for (const recording of recordings) {
      connections += recording.connections.length;
      const log = recording.kind === 'run' ? (runs.get(recording.of)?.events ?? []) : conversation;
      const count = compare(recording, log);
      for (const key of Object.keys(total) as (keyof Count)[]) total[key] += count[key];
      const { received: _, ...bad } = count;
      const refused = recording.refusals.length > 0 ? `, refused with ${recording.refusals.join(' ')}` : '';
      if (Object.values(bad).every((value) => value === 0) && refused === '') continue;
      const problem = `the reader of ${recording.kind} ${recording.of}: ${JSON.stringify(bad)}${refused}`;
      violations.push({ invariant: 'I1', program: program.id, problem });
    }
  }
  const { received, lost, duplicated, reordered, wrong } = total;
  return {
    violations,
    figures: {
      'events received': received,
      'events lost': lost,
      'events duplicated': duplicated,
      'events reordered': reordered,
      'events with another content': wrong,
      'stream connections': connections,
    },
  };
};

function compare(recording: Recording, log: readonly Event[]): Count {
  const ofRun = recording.kind === 'run';
  const digests = new Map(
    log.map((event) => [(ofRun ? event.seq : event.conversationSeq) ?? 0, digestOf(event)]),
  );
  const seen = new Set<number>();
  const count: Count = { received: 0, lost: 0, duplicated: 0, reordered: 0, wrong: 0 };
  let last = 0;
  for (const { id, digest } of recording.connections.flatMap(({ frames }) => frames)) {
    count.received += 1;
    if (seen.has(id)) count.duplicated += 1;
    else if (id < last) count.reordered += 1;
    seen.add(id);
    last = Math.max(last, id);
    if (digests.get(id) !== digest) count.wrong += 1;
  }
  // A reader that left early may lack the end, never anything before it.
  const expected = recording.left ? last : log.length;
  for (let id = 1; id <= expected; id += 1) if (!seen.has(id)) count.lost += 1;
  return count;
}
