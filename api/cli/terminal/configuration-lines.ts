// What a run goes by beside its model and its policy, below its first line: where it works, its limits, and what it has
// from the run before it.
import type { EventPayload } from '../../../workflows/contracts/event.ts';
import type { RunLimits } from '../../../workflows/contracts/run.ts';
import { plural, toDollars, toDuration } from './figures.ts';
import type { Pen } from './pen.ts';
import { printableLine } from './printable.ts';

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
  { project, workspace, limits = {}, preset, sources }: EventPayload<'run-queued'>,
): void {
  if (sources === undefined || project === undefined) return;
  const said = limitNames.filter((name) => sources.limits[name] !== 'instance');
  const words = toLimitWords(limits, said);
  note(project === null ? 'works in an empty scratch folder of its own' : `works in ${short(project.path)}`);
  if (workspace) note(`in the workspace ${workspace.id}, version ${workspace.version}`);
  for (const path of workspace?.others ?? []) note(`only reads in ${short(path)}`);
  if (preset) note(`goes by the preset ${preset.id}, version ${preset.version}`);
  if (words.length > 0) note(`at most ${words.join(', ')}`);
  const carried = (source: string): boolean => source === 'conversation' || source === 'run';
  const kept = (['preset', 'project', 'model', 'policy'] as const).filter(
    (name) => carried(sources[name] ?? 'instance') && (name !== 'preset' || preset),
  );
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

function toLine(words: readonly string[]): string[] {
  return words.length === 0 ? [] : [words.join(' ')];
}

/** Where its commands run and on which files, and why where that is this server's choice; as usual: nothing. */
export function toPlace(payload: EventPayload<'run-queued'>): string[] {
  const { execMode = 'mount', container, executor, workTree, sources, bringsHome } = payload;
  const mode = container ? `your container ${container.id}` : execMode;
  const where = [
    ...(execMode === 'mount' ? [] : [`in ${mode}`]),
    ...(executor === undefined ? [] : [`on ${printableLine(executor, 100)}`]),
  ];
  const tree = [
    ...(workTree === 'own' ? ['on a copy of its project'] : []),
    ...(bringsHome ? ['that comes home when it succeeds'] : []),
  ];
  const [isModeChosen, isTreeChosen] = [sources?.execMode === 'instance', sources?.workTree === 'instance'];
  if (where.length === 0 || !isModeChosen) return toLine([...where, ...tree]);
  const why = 'as it is unattended';
  // The reason stands behind what it is the reason of.
  const words = isTreeChosen ? [[...where, ...tree].join(' '), why] : [...where, why, ...tree];
  return [words.join(', ')];
}
