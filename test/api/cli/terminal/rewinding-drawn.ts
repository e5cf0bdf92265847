// The events of checkpoints and rewinds, each with what is drawn of it.
import type { EventPayload, EventType } from '../../../../workflows/contracts/event.ts';

type Rewinding = Extract<EventType, 'checkpoint-error' | 'rewind-start' | 'rewind-end'>;

const id = '01900000-0000-7000-8000-000000000001';

export const rewinding: { [T in Rewinding]: [payload: EventPayload<T>, shown: string] } = {
  'checkpoint-error': [
    { callId: '1.0', reason: 'git is not installed' },
    '! no checkpoint for call 1.0: git is not installed\n',
  ],
  'rewind-start': [
    { runId: id, rewindId: id, to: 'start', by: 'first (cli)' },
    '— being brought back to the start of the run, asked for by first (cli)\n',
  ],
  'rewind-end': [
    {
      runId: id,
      rewindId: id,
      to: 3,
      outcome: 'done',
      restored: 2,
      kept: [{ path: 'a.txt', why: 'changed' }],
      keptCount: 2,
    },
    '— brought back to checkpoint 3: 2 files\n! kept as it is: a.txt (changed by another, or nobody can tell)\n! and 1 more file\n',
  ],
};
