// The tools a caller executes itself: shown to the model like ours, answered over the API.
import { createContext, Script } from 'node:vm';
import { z } from 'zod';
import type { ExternalTool } from '../../workflows/contracts/external-tool.ts';
import type { Shape } from './arguments.ts';
import type { Issue } from './repair.ts';
import { withoutPatterns } from './without-patterns.ts';
import type { RunRow } from '../store/runs/runs.ts';

/** For one review: all of them have the time of one look together. */
export function externalToolsOf(run: Pick<RunRow, 'external_tools'>): ExternalTool[] {
  const tools = run.external_tools as unknown as ExternalTool[];
  const look = newLook();
  for (const tool of tools) looks.set(tool, look);
  return tools;
}

/** Why the tools cannot be offered beside ours, in one sentence; undefined when they can. */
export function externalToolsProblem(
  external: readonly ExternalTool[],
  ours: readonly { name: string }[],
): string | undefined {
  const look = newLook();
  const names = new Set(ours.map(({ name }) => name));
  for (const tool of external) {
    if (names.has(tool.name))
      return `externalTools: there is a tool "${tool.name}" already; use another name.`;
    names.add(tool.name);
    const problem = schemaProblem(look, tool);
    if (problem !== undefined) return `externalTools: the inputSchema of "${tool.name}" ${problem}.`;
  }
  return undefined;
}

function schemaProblem(look: Look, tool: ExternalTool): string | undefined {
  // Every provider takes objects only.
  if (tool.inputSchema['type'] !== 'object') return 'must have "type": "object"';
  try {
    // One that refers to itself without end is only found out when it is used.
    const parsed = inTime(look, () => schemaOf(tool).safeParse({ a: 1 }));
    return parsed
      ? undefined
      : 'cannot be used: it takes too long to look at. Send fewer tools, or simpler ones';
  } catch (error) {
    return `cannot be used: ${(error as Error).message.slice(0, 300)}`;
  }
}

/** The caller gets the arguments as they were held against its schema, with no defaults put in. */
export function externalShape(tool: ExternalTool): Shape {
  return {
    name: tool.name,
    issuesOf(value) {
      const parsed = inTime(looks.get(tool) ?? newLook(), () => schemaOf(tool).safeParse(value));
      return parsed ? (parsed.error?.issues ?? []) : [tooLong];
    },
    taken: (value) => value,
  };
}

const tooLong: Issue = {
  code: 'too_long_to_check',
  path: [],
  message: 'It takes too long to hold them against the inputSchema. Send shorter and simpler ones',
};

// Read once for each look at the run's row, whatever the number of its calls.
const schemas = new WeakMap<ExternalTool, z.ZodType>();

function schemaOf(tool: ExternalTool): z.ZodType {
  const known = schemas.get(tool) ?? z.fromJSONSchema(withoutPatterns(tool.inputSchema));
  schemas.set(tool, known);
  return known;
}

/** A look at what one caller has brought: a review of an answer, or the request that brings the tools. */
interface Look {
  leftMs: number;
}

const looks = new WeakMap<ExternalTool, Look>();

// Many times what the most tools of a usual kind need, and nothing that a worker's other runs would notice.
const mostMs = 500;

function newLook(): Look {
  return { leftMs: mostMs };
}

const place: { work?: () => unknown } = createContext({});
const script = new Script('work()');

/**
 * Undefined: the time is up. The schema is the caller's and the arguments are a model's: alternatives within
 * alternatives, or references that double, may need years.
 */
function inTime<T extends object>(look: Look, work: () => T): T | undefined {
  const timeout = Math.floor(look.leftMs);
  if (timeout < 1) return undefined;
  place.work = work;
  const began = performance.now();
  try {
    return script.runInContext(place, { timeout }) as T;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    return undefined;
  } finally {
    look.leftMs -= performance.now() - began;
  }
}
