// Draws the subagents of a run: a line for the begin and the end of each, and what they ask people.
import type { Event } from '../../../workflows/contracts/event.ts';
import { writtenOut } from '../../../workflows/contracts/hidden-characters.ts';
import type { Pen } from './pen.ts';
import { printable } from './printable.ts';
import { shortId } from './short-id.ts';

export type DelegationEvent = Extract<
  Event,
  { type: 'delegation-start' | 'delegation-end' | 'delegation-approval' }
>;

export function drawDelegation({ note, warn, short }: Pen, event: DelegationEvent): void {
  const name = `the subagent ${short(event.payload.name)}`;
  switch (event.type) {
    case 'delegation-start': {
      const beside = event.payload.async ? ', beside this run' : '';
      return note(`${name} begins${beside}: run ${printable(shortId(event.payload.runId))}`);
    }
    case 'delegation-end':
      return note(`${name} has ended: ${event.payload.status.replace('_', ' ')}`);
    case 'delegation-approval': {
      const { approvalId, text, deadlineAt } = event.payload;
      // A person may decide by it: hidden characters are shown.
      warn(`${name} asks: ${short(writtenOut(text))}`);
      return note(`perdure approve ${printable(shortId(approvalId))}, until ${printable(deadlineAt)}`);
    }
  }
}
