// What a run goes by beside its model and its policy, below its first line: where it works, its limits, and what it has
// from the run before it.
import type { EventPayload } from '../../../workflows/contracts/event.ts';
import type { RunLimits } from '../../../workflows/contracts/run.ts';
import { plural, toDollars, toDuration } from './figures.ts';
import type { Pen } from './pen.ts';

const limitWords: { [Name in keyof Required<RunLimits>]: (value: number) => string } = {
  steps: (value) => plural(value, 'step'),
  seconds: (value) => toDuration(value * 1000),
  costMicros: toDollars,
  tokens: (value) => plural(value, 'token'),
  maxOutputTokens: (value) => `${plural(value, 'token')} an answer`,
};
const limitNames = Object.keys(limitWords) as (keyof RunLimits)[];

/** Older events do not record it: nothing is drawn. */
export function drawConfiguration(
  { note, short }: Pen,
  { project, limits = {}, sources }: EventPayload<'run-queued'>,
): void {
  if (sources === undefined || project === undefined) return;
  const said = limitNames.filter((name) => sources.limits[name] !== 'instance');
  const words = toLimitWords(limits, said);
  note(project === null ? 'works in an empty scratch folder of its own' : `works in ${short(project.path)}`);
  if (words.length > 0) note(`at most ${words.join(', ')}`);
  const carried = (source: string): boolean => source === 'conversation' || source === 'run';
  const kept = (['project', 'model', 'policy'] as const).filter((name) => carried(sources[name]));
  const limited = said.some((name) => carried(sources.limits[name])) ? ['limits'] : [];
  const tools = carried(sources.externalTools)
    ? ['the tools of its caller, who must bring their results']
    : [];
  const all = [...kept, ...limited, ...tools];
  if (all.length > 0) note(`as in the run before: ${all.join(', ')}`);
}

/** Those of the limits that are set, in words. */
export function toLimitWords(limits: RunLimits, names = limitNames): string[] {
  return names.flatMap((name) => {
    const value = limits[name];
    return value === undefined ? [] : [limitWords[name](value)];
  });
}
