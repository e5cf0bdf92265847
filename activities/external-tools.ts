// The tools a caller executes itself: shown to the model like ours, answered over the API.
import { createContext, Script } from 'node:vm';
import { z } from 'zod';
import type { ExternalTool } from '../workflows/contracts/external-tool.ts';
import { misfit } from './call-arguments.ts';
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
    // One that refers to itself without end is only found out when it is used.
    inTime(() => z.fromJSONSchema(inputSchema).safeParse({ a: 1 }));
    return undefined;
  } catch (error) {
    return `cannot be used: ${(error as Error).message.slice(0, 300)}`;
  }
}

/** What does not fit about the arguments, for the model. */
export function externalInputProblem(tool: ExternalTool, input: unknown): string | undefined {
  if (slow.has(tool)) return tooSlow(tool);
  try {
    const parsed = inTime(() => schemaOf(tool).safeParse(input));
    return parsed.success ? undefined : misfit(tool.name, parsed.error.issues);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    slow.add(tool);
    return tooSlow(tool);
  }
}

function tooSlow({ name }: ExternalTool): string {
  return `It takes too long to hold the arguments against the inputSchema of ${name}. Send shorter and simpler ones.`;
}

// Read once for each look at the run's row, whatever the number of its calls.
const schemas = new WeakMap<ExternalTool, z.ZodType>();
// One wait is enough: a step may hold many calls of it.
const slow = new WeakSet<ExternalTool>();

function schemaOf(tool: ExternalTool): z.ZodType {
  const known = schemas.get(tool) ?? z.fromJSONSchema(tool.inputSchema);
  schemas.set(tool, known);
  return known;
}

// A thousand times what a usual schema needs, and nothing that a worker's other runs would notice.
const mostMs = 250;
const place: { work?: () => unknown } = createContext({});
const script = new Script('work()');

/**
 * The schema is the caller's and the arguments are a model's: an expression, or alternatives within alternatives, may
 * need longer than the world has. Only this ends an expression that is under way.
 */
function inTime<T>(work: () => T): T {
  place.work = work;
  return script.runInContext(place, { timeout: mostMs }) as T;
}
