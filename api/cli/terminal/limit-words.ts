// Limits of allowances as people read them.
import { plural, toDollars } from './figures.ts';

const words = {
  runSeconds: ['second', 'a run'],
  concurrentRuns: ['run', 'at once'],
  dayRuns: ['run', 'a day'],
  hourCalls: ['model call', 'an hour'],
  tokens: ['token', 'in all'],
  costMicros: ['', 'in all'],
  dayTokens: ['token', 'a day'],
  dayCostMicros: ['', 'a day'],
} as const;

export type NamedLimit = keyof typeof words;

export const namedLimits = Object.keys(words) as NamedLimit[];

export function toAmount(limit: NamedLimit, count: number): string {
  const [word] = words[limit];
  return word === '' ? toDollars(count) : plural(count, word);
}

/** Such as "a day". */
export function toPeriod(limit: NamedLimit): string {
  return words[limit][1];
}
