// Presets of one's own: made, changed in versions, brought in from files, taken away.
import * as store from '../../activities/store/presets/presets.ts';
import type { Write } from '../../activities/store/log/events.ts';
import { Failure } from '../../workflows/contracts/failures.ts';
import type {
  CreatePresetBody,
  ImportPresetBody,
  Preset,
  PresetView,
  UpdatePresetBody,
} from '../../workflows/contracts/preset.ts';
import { readPresetFile } from '../preset-file.ts';
import { refuseSecrets } from './refuse-secrets.ts';
import { refuseUnknown } from './refuse-unknown.ts';
import { actorOf, type Caller, type Verb, type VerbParts } from './verb.ts';

export const createPreset: Verb<CreatePresetBody, PresetView> = async (
  parts,
  write,
  caller,
  { default: isDefault, ...body },
) => {
  const preset = { ...body, id: body.id ?? idFrom(body.name) };
  await refuseUnusable(parts, write, caller, preset);
  const stored = await store.createPreset(write, preset, { ...actorOf(caller), isDefault });
  return { body: store.toPresetView(stored) };
};

type Update = UpdatePresetBody & { presetId: string };

/** Another version; runs go on with the one they began with. */
export const updatePreset: Verb<Update, PresetView> = async (
  parts,
  write,
  caller,
  { presetId, version, default: isDefault, ...body },
) => {
  if (body.id !== undefined && body.id !== presetId)
    throw new Failure('InvalidInput', `The id of a preset stays: ${presetId}, not ${body.id}.`);
  const preset = { ...body, id: presetId };
  await refuseUnusable(parts, write, caller, preset);
  const stored = await store.updatePreset(write, preset, version, { ...actorOf(caller), isDefault });
  return { body: store.toPresetView(stored) };
};

/** A new preset, or the next version of the one that has this id. */
export const importPreset: Verb<ImportPresetBody, PresetView> = async (
  parts,
  write,
  caller,
  { file, format },
) => {
  const preset = readPresetFile(file, format);
  await refuseUnusable(parts, write, caller, preset);
  const actor = actorOf(caller);
  const before = await store.findPreset(write.tx, caller.tenantId, preset.id);
  const stored = await (before === undefined
    ? store.createPreset(write, preset, actor)
    : store.updatePreset(write, preset, before.version, actor));
  return { body: store.toPresetView(stored) };
};

type Delete = { presetId: string; version: number };

export const deletePreset: Verb<Delete, undefined> = async (_parts, write, caller, { presetId, version }) => {
  await store.deletePreset(write, presetId, version, actorOf(caller));
  return { body: undefined };
};

/** In letters and digits of ASCII, as ids are; a name in other letters has to be given an id. */
function idFrom(name: string): string {
  const words =
    name
      .normalize('NFKD')
      .replace(/\p{M}/gu, '')
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? [];
  const id = words.join('-').slice(0, 64).replace(/-$/, '');
  if (id === '') throw new Failure('InvalidInput', 'Give the preset an id: its name has no letters of one.');
  return id;
}

async function refuseUnusable(
  parts: VerbParts,
  write: Write,
  { tenantId }: Caller,
  preset: Preset,
): Promise<void> {
  // Below /presets `import` is another route, and `--preset none` is no preset at all.
  if (preset.id === 'import' || preset.id === 'none')
    throw new Failure('InvalidInput', `No preset can be called ${preset.id}; use another id.`);
  const problem = parts.presetProblem(preset);
  if (problem !== undefined) throw new Failure('InvalidInput', problem);
  await refuseUnknown(parts, write, tenantId, preset);
  await refuseSubagents(write, tenantId, preset);
  const { instructions, description, environment = {} } = preset;
  refuseSecrets(parts, { instructions, description });
  refuseSecrets(parts, environment, 'environment: ');
  for (const model of preset.fallbacks ?? []) await refuseUnknown(parts, write, tenantId, { model });
}

/** One may name the preset itself: how deep subagents go is bounded. */
async function refuseSubagents(write: Write, tenantId: string, preset: Preset): Promise<void> {
  const { subagents = [] } = preset;
  if (subagents.length === 0) return;
  const held = await store.holdPresets(
    write,
    tenantId,
    subagents.map((each) => each.preset),
  );
  const known = [preset, ...held.map((each) => each.preset)];
  for (const { name, preset: id } of subagents) {
    const own = known.find((each) => each.id === id);
    const which = `The subagent ${name} has the preset ${id}`;
    if (!own)
      throw new Failure('UnknownPreset', `${which}, and there is none; GET /api/v1/presets lists them.`);
    const needs = Object.entries(own.variables ?? {}).find(([, { default: usual }]) => usual === undefined);
    if (needs)
      throw new Failure(
        'InvalidInput',
        `${which}, which needs a value of its variable ${needs[0]}: give it a default.`,
      );
    if (own.policy !== undefined && own.policy !== preset.policy)
      throw new Failure(
        'InvalidInput',
        `${which}, which names the policy ${own.policy}; a subagent keeps that of its run: name the same in both, or none in ${id}.`,
      );
  }
}
