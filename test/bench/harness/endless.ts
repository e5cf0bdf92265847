// The profile of runs that are measured: they run any command, and the same tools over and over, which is no stall here.
import { builtInProfiles, trustedProfile } from '../../../workflows/policy/presets.ts';

/** Of the request that starts such a run. */
export const endless = { policy: 'endless', acceptNoContainment: true };

/** The body of the request that makes it. */
export function endlessBody() {
  const trusted = builtInProfiles.find(({ id }) => id === trustedProfile);
  return { profile: { ...trusted, id: endless.policy, name: 'Endless', stall: null } };
}
