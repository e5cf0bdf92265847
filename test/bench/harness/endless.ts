// The profile of runs that are measured: they run any command, and the same tools over and over, which is no stall here.
import { builtInProfiles, trustedProfile } from '../../../workflows/policy/presets.ts';

/** Of the request that starts such a run. */
export const endless = { policy: 'endless', acceptNoContainment: true };

function endlessBody() {
  const trusted = builtInProfiles.find(({ id }) => id === trustedProfile);
  return { profile: { ...trusted, id: endless.policy, name: 'Endless', stall: null } };
}

/** Makes it at a server; once made, its name is taken, and nothing is changed. */
export async function makeEndless({ url, token }: { url: string; token: string }): Promise<void> {
  const made = await fetch(`${url}/api/v1/policies`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(endlessBody()),
  });
  if (!made.ok && made.status !== 409) throw new Error(`The profile was refused: ${await made.text()}`);
}
