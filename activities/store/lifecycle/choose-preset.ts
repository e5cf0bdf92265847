// What a run has from its preset alone, and what one has that a preset of another names as a subagent.
import type { Sources, Variables } from '../../../workflows/contracts/configuration.ts';
import { Failure } from '../../../workflows/contracts/failures.ts';
import type { StartRunBody } from '../../../workflows/contracts/run.ts';
import type { StoredPreset } from '../presets/presets.ts';
import type { Carried } from './configuration.ts';
import { insteadOf } from './instead-of.ts';
import type { Configuration } from './write-run.ts';

/** What only the process that starts a run can tell of its preset. */
export interface PresetNeeds {
  /** True when the provider in a model's name is one we can reach. */
  hasModel(name: string): boolean;
  redact(text: string): string;
  /** A preset's instructions with these values in them. Throws a Failure that says what is wrong with either. */
  fillIn(template: string, values: Variables): string;
}

/** What nothing but its preset says; the values it does not declare any more are left out. */
export function presetFor(
  needs: Pick<PresetNeeds, 'fillIn' | 'redact'>,
  chosen: Carried['preset'],
  { variables = {} }: Pick<StartRunBody, 'variables'>,
  sources: Pick<Sources, 'model' | 'preset'>,
): Pick<Configuration, 'preset' | 'instructions'> {
  if (chosen === null) {
    const [name] = Object.keys(variables);
    if (name === undefined) return { preset: null, instructions: null };
    throw new Failure('InvalidInput', `There is no preset whose instructions have the variable ${name}.`);
  }
  if (typeof chosen === 'string') {
    const detail = `There is no preset ${chosen}; GET /api/v1/presets lists them.`;
    throw new Failure('UnknownPreset', detail + insteadOf(sources.preset ?? 'instance', 'preset'));
  }
  const {
    id,
    instructions,
    tools,
    temperature,
    subagents,
    environment,
    variables: declared = {},
  } = chosen.preset;
  const fallbacks = sources.model === 'preset' ? chosen.preset.fallbacks : undefined;
  const values: Variables = {};
  for (const [name, { default: usual }] of Object.entries(declared)) {
    const value = variables[name] ?? usual;
    if (value === undefined)
      throw new Failure('InvalidInput', `The preset ${id} needs a value of its variable ${name}.`);
    values[name] = needs.redact(value);
  }
  const unknown = Object.keys(variables).find((name) => declared[name] === undefined);
  if (unknown !== undefined)
    throw new Failure('InvalidInput', `The preset ${id} has no variable ${unknown}.`);
  return {
    preset: {
      ...{ id, version: chosen.version, variables: values },
      ...{ tools, temperature, fallbacks, subagents, environment },
    },
    instructions: instructions === undefined ? null : needs.fillIn(instructions, values),
  };
}

/** What of a subagent is its preset's own; all else is as in the run that asks. Throws a Failure that says why not. */
export function subagentBy(
  needs: PresetNeeds,
  chosen: StoredPreset,
  parent: { model: string; policy: string },
): Pick<Configuration, 'model' | 'preset' | 'instructions'> {
  const { id, policy, model = parent.model } = chosen.preset;
  if (policy !== undefined && policy !== parent.policy) {
    const detail = `The preset ${id} goes by the policy ${policy}, and this run by ${parent.policy}, which its subagents keep.`;
    throw new Failure('InvalidInput', detail);
  }
  if (!needs.hasModel(model))
    throw new Failure('UnknownModel', `No provider here has the model ${model} of the preset ${id}.`);
  const source = chosen.preset.model === undefined ? 'delegation' : 'preset';
  return { model, ...presetFor(needs, chosen, {}, { model: source }) };
}
