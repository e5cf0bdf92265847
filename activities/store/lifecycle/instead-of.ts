// What to do about a setting that a run did not get from its request, at the end of a refusal.
import type { Source, Sources } from '../../../workflows/contracts/configuration.ts';

/** What to do about a setting that was taken over and does not hold any more; nothing where the request names it. */
export function insteadOf(source: Source, field: keyof Sources, how = ''): string {
  if (source === 'preset')
    return ` Its preset says so: name another with ${field}${how}, or change the preset.`;
  if (source === 'settings')
    return ` The settings of the conversation say so: name another with ${field}${how}, or change those.`;
  if (source === 'conversation') return ` The run before had it: name another with ${field}${how}.`;
  return source === 'run' ? ' The run that is to be asked again had it: send a new message instead.' : '';
}
