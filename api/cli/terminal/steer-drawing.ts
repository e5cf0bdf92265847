// What is drawn of what people say to a run that is at work.
import type { Event } from '../../../workflows/contracts/event.ts';
import type { Pen } from './pen.ts';

export type SteerEvent = Extract<
  Event,
  { type: 'steer-request' | 'steer-response' | 'interrupt-request' | 'cancel-request' }
>;

export function drawSteer({ colors, sentence, note, warn, short }: Pen, event: SteerEvent): void {
  switch (event.type) {
    case 'steer-request':
      return sentence(`${colors.magenta('»')} ${short(event.payload.by)}: ${short(event.payload.text)}`);
    case 'steer-response': {
      const { outcome, step, reason } = event.payload;
      if (outcome === 'applied') return note(`the message was applied at step ${step}`);
      return warn(`the message was refused: ${short(reason ?? 'no reason given')}`);
    }
    case 'interrupt-request':
      return note(`interrupt asked for by ${short(event.payload.by)}`);
    case 'cancel-request':
      return note(`cancel asked for by ${short(event.payload.by)}`);
  }
}
