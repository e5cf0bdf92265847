// The name of a signal that is known by its number only.
import { constants } from 'node:os';

/** Undefined when no signal has the number. */
export function signalName(number: number): NodeJS.Signals | undefined {
  const found = Object.entries(constants.signals).find(([, each]) => each === number);
  return found?.[0] as NodeJS.Signals | undefined;
}
