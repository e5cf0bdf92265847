// The arguments of a call as a model or a person wrote them: read, and held against what the tool takes. What is wrong
// with them is a sentence for their author.
import { isDeeperThan } from '../store/db/storable.ts';
import { isStorable } from '../../workflows/contracts/storable.ts';
import type { Tool } from '../tools/tool.ts';
import { fitted, type Issue, readJson } from './repair.ts';

/** `input` is the one form that is judged, bound by an approval and run. */
export type Parsed = { ok: true; input: unknown; repairs: string[] } | { ok: false; problem: string };

/** What arguments are held against: what of a value does not fit, and what of it is used once it does. */
export interface Shape {
  name: string;
  issuesOf(value: unknown): readonly Issue[];
  taken(value: unknown): unknown;
}

/** People are told what does not fit; what models write is repaired where there is one way to read it. */
export type Reading = 'exact' | 'repaired';

// Far more than any tool takes, and far less than what overflows the stack of code that recurses, as schemas,
// JSON.stringify and Postgres do.
const mostLevels = 100;

function problemOf(value: unknown): string | undefined {
  if (isDeeperThan(mostLevels, value))
    return `The arguments are nested deeper than ${mostLevels} levels. Send flatter ones.`;
  // They are stored with the call before it is made, and what is stored is what runs.
  if (!isStorable(value))
    return 'The arguments hold a NUL character or half of a surrogate pair. Leave it out.';
  return undefined;
}

export function shapeOf(tool: Tool): Shape {
  return {
    name: tool.name,
    issuesOf: (value) => tool.input.safeParse(value).error?.issues ?? [],
    taken: (value) => tool.input.parse(value),
  };
}

export function parseFor(shape: Shape, written: string, reading: Reading): Parsed {
  // Models write no arguments as an empty string.
  const text = written.trim() === '' ? '{}' : written;
  const json = reading === 'repaired' ? readJson(text) : exactJson(text);
  if (!json) return { ok: false, problem: unreadable(text) };
  const problem = problemOf(json.value);
  if (problem !== undefined) return { ok: false, problem };
  const issues = shape.issuesOf(json.value);
  if (issues.length === 0) return { ok: true, input: shape.taken(json.value), repairs: json.repairs };
  const repaired = reading === 'repaired' ? fitted(json.value, shape.issuesOf) : undefined;
  // What was decoded on the way may be deeper than what was looked at before.
  if (!repaired || problemOf(repaired.value) !== undefined)
    return { ok: false, problem: misfit(shape.name, issues) };
  const repairs = [...json.repairs, ...repaired.repairs];
  return { ok: true, input: shape.taken(repaired.value), repairs };
}

function exactJson(text: string): ReturnType<typeof readJson> {
  try {
    return { value: JSON.parse(text), repairs: [] };
  } catch {
    return undefined;
  }
}

function unreadable(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return `The arguments are not valid JSON (${(error as Error).message}). Send the call again.`;
  }
  return 'The arguments are JSON within strings, many times over. Send the call again.';
}

export function misfit(
  tool: string,
  issues: readonly { path: readonly PropertyKey[]; message: string }[],
): string {
  // The first few say what to do; each may name every key that was sent.
  const problems = issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.map(String).join('.') || 'input'}: ${message}`.slice(0, 1000));
  return `The arguments do not fit ${tool}: ${problems.join('; ')}.`;
}
