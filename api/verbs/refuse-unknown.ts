// What is kept for later runs is refused now, and not with the next message, where there is no such thing.
import { findPolicy } from '../../activities/store/policies/policies.ts';
import { holdPresets } from '../../activities/store/presets/presets.ts';
import { holdWorkspace } from '../../activities/store/presets/workspaces.ts';
import { refuseTwoPlaces, unknownWorkspace } from '../../activities/store/lifecycle/choose-place.ts';
import type { StartRunBody } from '../../workflows/contracts/run.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { VerbParts } from './verb.ts';

interface Named extends Pick<StartRunBody, 'project' | 'workspace'> {
  preset?: unknown;
  model?: string | undefined;
  policy?: string | undefined;
}

export async function refuseUnknown(
  parts: VerbParts,
  write: Write,
  tenantId: string,
  { preset, model, policy, ...place }: Named,
): Promise<void> {
  // It stays until the commit, and then it is in use.
  if (typeof preset === 'string' && !(await hasPreset(write, tenantId, preset)))
    throw new Failure('UnknownPreset', `There is no preset ${preset}; GET /api/v1/presets lists them.`);
  refuseTwoPlaces(place);
  const { workspace } = place;
  if (workspace != null && !(await holdWorkspace(write.tx, tenantId, workspace)))
    throw new Failure('UnknownWorkspace', unknownWorkspace(workspace));
  if (model !== undefined && !parts.hasModel(model)) {
    const detail = `No provider here has the model ${model}; GET /api/v1/models lists the providers.`;
    throw new Failure('UnknownModel', detail);
  }
  if (policy !== undefined && !(await findPolicy(write.tx, tenantId, policy)))
    throw new Failure('UnknownPolicy', `There is no policy ${policy}; GET /api/v1/policies lists them.`);
}

async function hasPreset(write: Write, tenantId: string, id: string): Promise<boolean> {
  return (await holdPresets(write, tenantId, [id])).some((held) => held.preset.id === id);
}
