// The tools a caller executes itself: shown to the model like ours, answered over the API.
import { z } from 'zod';
import type { ExternalTool } from '../workflows/contracts/external-tool.ts';
import type { RunRow } from './store/runs.ts';
import type { ToolSpec } from './tools/tool.ts';

export function externalToolsOf(run: Pick<RunRow, 'external_tools'>): ExternalTool[] {
  return run.external_tools as unknown as ExternalTool[];
}

export function toExternalSpec({ name, description, inputSchema }: ExternalTool): ToolSpec {
  return { name, description, inputSchema };
}

/** Why the tools cannot be offered beside ours, in one sentence; undefined when they can. */
export function externalToolsProblem(
  external: readonly ExternalTool[],
  ours: readonly { name: string }[],
): string | undefined {
  const names = new Set(ours.map(({ name }) => name));
  for (const tool of external) {
    if (names.has(tool.name))
      return `externalTools: there is a tool "${tool.name}" already; use another name.`;
    names.add(tool.name);
    const problem = schemaProblem(tool);
    if (problem !== undefined) return `externalTools: the inputSchema of "${tool.name}" ${problem}.`;
  }
  return undefined;
}

function schemaProblem({ inputSchema }: ExternalTool): string | undefined {
  // Every provider takes objects only.
  if (inputSchema['type'] !== 'object') return 'must have "type": "object"';
  try {
    z.fromJSONSchema(inputSchema);
    return undefined;
  } catch (error) {
    return `cannot be used: ${(error as Error).message.slice(0, 300)}`;
  }
}

/** What does not fit about the arguments, for the model. */
export function externalInputProblem(tool: ExternalTool, input: unknown): string | undefined {
  const parsed = z.fromJSONSchema(tool.inputSchema).safeParse(input);
  if (parsed.success) return undefined;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'input'}: ${issue.message}`);
  return `The arguments do not fit ${tool.name}: ${problems.slice(0, 5).join('; ')}.`;
}
