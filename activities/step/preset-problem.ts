// What is wrong with a preset where its tools and its instructions are known.
import type { Preset } from '../../workflows/contracts/preset.ts';
import { instructionsProblem } from '../prompt/instructions.ts';
import type { Tool } from '../tools/tool.ts';

/** In one sentence; undefined when it can be used. */
export function presetProblem(
  { tools: chosen, model, fallbacks, instructions, variables = {} }: Preset,
  tools: readonly Pick<Tool, 'name'>[],
): string | undefined {
  const names = tools.map(({ name }) => name);
  const unknown = [...(chosen?.on ?? []), ...(chosen?.off ?? [])].find((name) => !names.includes(name));
  if (unknown !== undefined)
    return `There is no built-in tool ${JSON.stringify(unknown)}; there are ${names.join(', ')}.`;
  if (model === undefined && fallbacks !== undefined)
    return 'fallbacks are for a model of the preset, and there is none: give model too.';
  const declared = Object.keys(variables);
  if (instructions !== undefined) return instructionsProblem(instructions, declared);
  return declared[0] === undefined
    ? undefined
    : `The variable ${declared[0]} is for instructions, and there are none.`;
}
