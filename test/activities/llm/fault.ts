// One row of the table of faults, and the pieces of a whole answer that its script is made of.
import type { Played } from './fault-server.ts';
import type { Wire } from './wires.ts';

export const usage = { input: 10, cached: 0, output: 2 };
/** A stall of the tests: scripts pause for less than it, and in sum for more. */
export const silenceMs = 1_000;

/** `whole`: "Hello there", ended well; `unpriced`: the same without its use; else how it fails, and in which words. */
export type Outcome = 'whole' | 'unpriced' | { kind: string; says: RegExp };

export interface Fault {
  /** The row of the table in the README: what of the product is the same for all of a family. */
  family: string;
  name: string;
  /** Wire formats that cannot show it. */
  without?: Wire['provider'][];
  /** Undefined: nothing listens there. */
  plays(wire: Wire): Played | undefined;
  becomes: Outcome;
}

export function eventsOf(wire: Wire): { begin: string[]; end: string[]; all: string[] } {
  const { begin, texts, end } = wire.answer(['Hello', ' there'], usage);
  return { begin: [...begin, texts[0] ?? ''], end, all: [...begin, ...texts, ...end] };
}

export const all = (wire: Wire): string[] => eventsOf(wire).all;
export const begun = (wire: Wire): string[] => eventsOf(wire).begin;
export const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
