// What has become of a rewind, in lines for people: in the stream of its run, and for the command that asked for it.
import type { KeptFile, RewindView } from '../../../workflows/contracts/checkpoint.ts';
import type { Event } from '../../../workflows/contracts/event.ts';
import { plural } from './figures.ts';
import type { Pen } from './pen.ts';
import { printableLine } from './printable.ts';

export type RewindEvent = Extract<Event, { type: 'checkpoint-error' | 'rewind-start' | 'rewind-end' }>;

const reasons: Record<KeptFile['why'], string> = {
  changed: 'changed by another, or nobody can tell',
  'too-large': 'too large to be recorded',
  'in-the-way': 'something else has its place',
};

export function drawRewind({ note, warn, short }: Pen, event: RewindEvent): void {
  switch (event.type) {
    case 'checkpoint-error':
      return warn(`no checkpoint for call ${event.payload.callId}: ${short(event.payload.reason)}`);
    case 'rewind-start':
      return note(
        `being brought back to ${placeOf(event.payload.to)}, asked for by ${short(event.payload.by)}`,
      );
    case 'rewind-end': {
      const { outcome, problem } = event.payload;
      if (outcome === 'failed') return warn(`not brought back: ${short(problem ?? 'no reason given')}`);
      const [first = '', ...kept] = rewindLines(event.payload);
      note(first);
      return kept.forEach(warn);
    }
  }
}

function placeOf(to: RewindView['to']): string {
  if (to === 'home') return 'the project';
  return to === 'start' ? 'the start of the run' : `checkpoint ${to}`;
}

/** Of one that is done. */
export function rewindLines({
  to,
  restored,
  kept,
  keptCount,
}: Pick<RewindView, 'to' | 'restored' | 'kept' | 'keptCount'>): string[] {
  const files = kept.map(({ path, why }) => `kept as it is: ${printableLine(path, 300)} (${reasons[why]})`);
  const more = keptCount > kept.length ? [`and ${plural(keptCount - kept.length, 'more file')}`] : [];
  const brought = to === 'home' ? 'brought home' : `brought back to ${placeOf(to)}`;
  return [`${brought}: ${plural(restored, 'file')}`, ...files, ...more];
}
