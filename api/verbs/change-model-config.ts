// What is sent along to a model, whichever run calls it: set and taken away.
import * as store from '../../activities/store/presets/model-configs.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type { ChangeModelConfigBody, ModelConfigView } from '../../workflows/contracts/model-config.ts';
import { refuseSecrets } from './refuse-secrets.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import { actorOf, type Verb } from './verb.ts';

export const changeModelConfig: Verb<ChangeModelConfigBody, ModelConfigView> = async (
  parts,
  write,
  caller,
  { model, version, ...config },
) => {
  await refuseUnknown(parts, write, caller.tenantId, { model });
  const { key, instructions } = config;
  refuseSecrets(parts, { instructions });
  if (key !== undefined && !parts.modelKeys.includes(key)) {
    const known = parts.modelKeys.length === 0 ? 'it names none' : `it names ${parts.modelKeys.join(', ')}`;
    throw new Failure('NotRunnable', `There is no key ${key} in the setting PERDURE_MODEL_KEYS; ${known}.`);
  }
  const row = await store.saveModelConfig(write, actorOf(caller), { model, version, config });
  return { body: store.toModelConfigView(row) };
};

export const deleteModelConfig: Verb<{ model: string; version: number }, undefined> = async (
  _parts,
  write,
  caller,
  which,
) => {
  await store.deleteModelConfig(write, actorOf(caller), which);
  return { body: undefined };
};
